"""What stays is decided by facts alone; and it is never less than what the state machine holds on to."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import errors
from release import events as e
from release.adapters.memory import MemoryArtifacts, MemoryClock, MemoryEdge, MemoryRuntime, MemorySmoke
from release.engine import Engine, World
from release.home import Home
from release.ledger import Ledger, read
from release.policy import Policy
from release.policy import read as read_policy
from release.retention import kept, needed
from release.rollout import State, advance

DIGESTS = [f"sha256:{digit * 64}" for digit in "0123456789"]
A, B, C, D, *_ = DIGESTS


@pytest.fixture(scope="module")
def policy() -> Policy:
    real = read_policy(Home.find().policy)
    return real.model_copy(update={"steps": tuple(step.model_copy(update={"bake_s": 0.0}) for step in real.steps)})


def held(state: State) -> set[str]:
    """All digests that a state names."""
    moving = (state.rollout.digest, state.rollout.target) if state.rollout else ()
    return {digest for digest in (state.baseline, *state.pinned, *dict(state.quarantined), *moving) if digest}


def test_never_less_than_the_state_machine_holds_and_no_more_once_a_rollout_has_ended(tmp_path: Path, policy: Policy) -> None:
    """At each line of a long history with promotions, a failed gate, a rollback, a lifted quarantine, a dead engine."""
    clock, runtime, artifacts, smoke = MemoryClock(), MemoryRuntime(), MemoryArtifacts(), MemorySmoke()
    edge, path = MemoryEdge(clock, rate_per_s=20_000), tmp_path / "ledger.jsonl"
    ledger = Ledger(path, actor="test")

    def engine() -> Engine:
        return Engine(policy, ledger, World(artifacts, runtime, edge, smoke, clock))

    for digest in map(artifacts.add, DIGESTS[:5]):
        assert engine().deploy(digest, "good").outcome == "promoted"
    assert engine().deploy(DIGESTS[8], "nobody built it").outcome == "refused"
    edge.failed[artifacts.add(DIGESTS[5])] = 0.5
    assert engine().deploy(DIGESTS[5], "bad").outcome == "aborted"
    ledger.append(e.Unfrozen("known"))
    assert engine().rollback(None, "complaints").outcome == "rolled_back"
    ledger.append(e.Unfrozen("known"))
    ledger.append(e.QuarantineLifted(DIGESTS[5], "found"))
    ledger.append(e.RolloutRequested("dies", artifacts.add(DIGESTS[6]), "its engine dies", policy.steps, 2))
    engine().recover()
    with pytest.raises(errors.Quarantined):
        engine().deploy(DIGESTS[6], "again")
    assert engine().deploy(artifacts.add(DIGESTS[7]), "good").outcome == "promoted"

    state, facts = State(), [entry.fact() for entry in read(path)]
    for number, fact in enumerate(facts, start=1):
        if isinstance(fact, e.Event):
            state, _ = advance(state, fact)
        names = needed(facts[:number])
        assert held(state) <= names, f"line {number}"
        assert not isinstance(fact, e.RolloutEnded) or held(state) == names, f"line {number}"
    assert len(facts) > 100
    assert len(held(state)) < len(DIGESTS)


def test_a_ledger_written_under_another_policy(tmp_path: Path, policy: Policy) -> None:
    """Weights change from day to day; what serves is a fact."""
    split = e.SplitSet(A, None, 0, "1", 0.0, 0.0)
    canary = e.SplitSet(A, B, 37, "2", 0.0, 0.0)
    assert all(step.weight_pct != canary.weight_pct for step in policy.steps)
    over = e.SplitSet(B, None, 0, "3", 0.0, 0.0)
    facts = [split, e.RolloutRequested("r", B, "", policy.steps, 2), canary, over, e.Promoted(B), e.RolloutEnded("r", "promoted", "")]
    assert needed(facts) == {A, B}


def test_digests_that_only_a_damaged_part_quarantined() -> None:
    assert needed([e.LedgerRepaired(3, "what", "aside", "why", (C,))]) == {C}


def test_the_newest_of_those_that_nobody_needs() -> None:
    assert kept([A, B, C, D], frozenset(), 2) == {C, D}
    assert kept([A, B, C, D], {D}, 2) == {B, C, D}
    assert kept([A, B, C, D], {A}, 0) == {A}
    assert kept([A], frozenset(), 20) == {A}
    assert kept([], {"elsewhere"}, 3) == {"elsewhere"}
