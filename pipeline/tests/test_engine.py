"""The engine on its in-memory world: whole rollouts in milliseconds, and an engine killed at every single write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lab import NEW, NEXT, OLD, OLDER, Lab, brief_policy

from release import errors
from release import events as e
from release.artifact import Release
from release.engine import Engine
from release.ledger import Entry, Ledger, read
from release.policy import Policy
from release.traffic import Split


@pytest.fixture(scope="module")
def policy() -> Policy:
    return brief_policy()


@pytest.fixture
def lab(tmp_path: Path, policy: Policy) -> Lab:
    return Lab(tmp_path, policy)


def test_a_healthy_release_reaches_everyone_and_the_previous_two_stay_warm(lab: Lab) -> None:
    lab.serving(OLDER, OLD, NEW)
    assert lab.edge.serving == Split(NEW)
    assert lab.engine().state.pinned == (OLD, OLDER)
    assert set(lab.runtime.running()) == {NEW, OLD, OLDER}
    weights = [split.weight_pct for split in lab.edge.history if split.canary == NEW]
    assert weights == [0, *(step.weight_pct for step in lab.policy.steps)]
    lab.serving(NEXT)
    assert set(lab.runtime.running()) == {NEXT, NEW, OLD}


def test_a_bad_release_is_taken_back_frozen_and_quarantined(lab: Lab) -> None:
    lab.serving(OLD)
    lab.edge.failed[NEW] = 0.3
    ended = lab.engine().deploy(NEW, "bad")
    assert ended.outcome == "aborted"
    assert lab.edge.serving == Split(OLD)
    assert list(lab.runtime.running()) == [OLD]
    state = lab.engine().state
    assert state.is_quarantined(NEW)
    assert state.frozen is not None
    assert max(split.weight_pct for split in lab.edge.history if split.canary == NEW) == 1
    with pytest.raises(errors.Quarantined):
        lab.engine().deploy(NEW, "again")
    with pytest.raises(errors.Frozen):
        lab.engine().deploy(NEXT, "another")


def test_a_slow_release_is_taken_back(lab: Lab) -> None:
    lab.serving(OLD)
    lab.edge.slow[NEW] = 0.33
    assert lab.engine().deploy(NEW, "slow").outcome == "aborted"
    assert "slow" in lab.engine().state.frozen  # type: ignore[operator]


def test_a_release_whose_pages_break_is_taken_back(lab: Lab) -> None:
    """Its API is well: no answer fails, none is slow."""
    lab.serving(OLD)
    lab.edge.broken[NEW] = 0.02
    assert lab.engine().deploy(NEW, "bad bundle").outcome == "aborted"
    assert "client" in lab.engine().state.frozen  # type: ignore[operator]


def test_an_outage_of_both_lanes_is_not_blamed_on_the_canary(lab: Lab) -> None:
    lab.serving(OLD)
    lab.edge.failed.update({OLD: 0.5, NEW: 0.5})

    def recover() -> None:
        lab.edge.failed.clear()

    lab.clock.at(lab.clock.now_s + 60, recover)
    assert lab.engine().deploy(NEW, "in bad weather").outcome == "promoted"


def test_a_flag_that_is_to_blame_is_killed_and_the_rollout_goes_on(lab: Lab) -> None:
    lab.serving(OLD)
    lab.flags.on_share, lab.edge.failed_on[NEW] = 0.2, 1.0
    assert lab.engine().deploy(NEW, "a bug behind the flag").outcome == "promoted"
    assert lab.flags.asked == [("kill", OLD)], "by the API of the release that is not in doubt; nothing is frozen"
    names = lab.names()
    [kill] = [number for number, name in enumerate(names) if name == "kill_flag"]
    assert names[kill - 1 : kill + 2] == ["gate_looked", "kill_flag", "flag_killed"]
    looks = [entry.data["verdict"] for entry in read(lab.path)[kill:] if entry.name == "gate_looked"]
    assert "FAIL" not in looks, "what was seen before the kill is no evidence any more"
    assert lab.engine().state.frozen is None


def test_a_kill_that_was_not_enough_is_followed_by_the_way_back(lab: Lab) -> None:
    lab.serving(OLD)
    lab.flags.on_share, lab.edge.failed_on[NEW] = 0.2, 1.0
    engine = lab.engine()

    def something_else(entry: Entry) -> None:
        if entry.name == "flag_killed":
            lab.edge.failed[NEW] = 0.3

    engine.ledger.listener = something_else
    assert engine.deploy(NEW, "two bugs").outcome == "aborted"
    assert lab.flags.asked == [("kill", OLD), ("freeze", OLD)]
    assert lab.edge.serving == Split(OLD)


def test_a_kill_that_fails_is_followed_by_the_way_back_and_so_is_a_freeze_that_fails(lab: Lab) -> None:
    lab.serving(OLD)
    lab.flags.on_share, lab.edge.failed_on[NEW], lab.flags.away = 0.2, 1.0, True
    ended = lab.engine().deploy(NEW, "a bug behind the flag")
    assert ended.outcome == "aborted"
    assert "could not be killed" in ended.reason
    assert [name for name in lab.names() if name.startswith("flag")] == ["flag_kill_failed", "flag_freeze_failed"]
    state = lab.engine().state
    assert state.frozen is not None
    assert state.is_quarantined(NEW)


def test_a_flag_that_is_turned_on_during_a_rollout_and_is_bad_in_both_lanes_is_killed(lab: Lab) -> None:
    lab.serving(OLD)
    lab.edge.failed_on.update({OLD: 0.8, NEW: 0.8})

    def turn_on() -> None:
        lab.flags.on_share = 0.5

    lab.clock.at(lab.clock.now_s + 5, turn_on)
    assert lab.engine().deploy(NEW, "innocent").outcome == "promoted"
    assert lab.flags.asked == [("kill", OLD)]
    assert all(entry.data["verdict"] != "FAIL" for entry in read(lab.path) if entry.name == "gate_looked")


def test_a_bug_of_the_release_is_not_put_down_to_a_flag(lab: Lab) -> None:
    lab.serving(OLD)
    lab.flags.on_share, lab.edge.failed[NEW] = 0.2, 0.3
    assert lab.engine().deploy(NEW, "bad").outcome == "aborted"
    assert lab.flags.asked == [("freeze", OLD)]
    assert lab.flags.frozen is not None


def test_what_policy_forbids_is_not_killed(lab: Lab) -> None:
    lab.serving(OLD)
    lab.policy = lab.policy.model_copy(update={"flags": lab.policy.flags.model_copy(update={"kill_first": False})})
    lab.flags.on_share, lab.edge.failed_on[NEW] = 0.2, 1.0
    assert lab.engine().deploy(NEW, "a bug behind the flag").outcome == "aborted"
    assert lab.flags.asked == [("freeze", OLD)]


def test_a_rollback_freezes_flags_when_everyone_is_back(lab: Lab) -> None:
    lab.serving(OLD, NEW)
    assert lab.engine().rollback(None, "orders fail").outcome == "rolled_back"
    assert lab.flags.asked == [("freeze", OLD)]
    names = lab.names()
    assert names.index("flags_frozen") > len(names) - 1 - names[::-1].index("split_set")


def test_a_bug_that_shows_only_at_the_end_is_taken_back_from_everyone(lab: Lab) -> None:
    lab.serving(OLD)
    engine = lab.engine()

    def break_at_the_end(entry: Entry) -> None:
        if entry.name == "split_set" and entry.data["weight_pct"] == 100:
            lab.edge.failed[NEW] = 0.5

    engine.ledger.listener = break_at_the_end
    assert engine.deploy(NEW, "time bomb").outcome == "aborted"
    assert lab.edge.serving == Split(OLD)
    assert lab.engine().state.frozen is not None


@pytest.mark.thorough
def test_without_traffic_it_holds_and_gives_up_at_the_bound(lab: Lab) -> None:
    lab.serving(OLD)
    lab.edge.rate_per_s = 0
    began_s = lab.clock.now_s
    ended = lab.engine().deploy(NEW, "in the dark")
    assert ended.outcome == "aborted"
    assert "no proof of health" in ended.reason
    bound_s = lab.policy.steps[0].hold_max_s
    assert bound_s <= lab.clock.now_s - began_s <= bound_s + 20
    assert all(entry.data["verdict"] == "INCONCLUSIVE" for entry in read(lab.path) if entry.name == "gate_looked")
    assert "gate_looked" in lab.names()


def test_blind_it_fails_closed(lab: Lab) -> None:
    lab.serving(OLD)

    def blind() -> None:
        lab.edge.blind = True

    lab.clock.at(lab.clock.now_s + 2, blind)
    ended = lab.engine().deploy(NEW, "blind")
    assert ended.outcome == "aborted"
    assert isinstance(lab.last(e.TelemetryLost), e.TelemetryLost)
    assert lab.edge.serving == Split(OLD)


@pytest.mark.parametrize("trouble", ["never_ready", "smoke", "migration", "edge"])
def test_trouble_before_the_first_user_is_seen_by_nobody(lab: Lab, trouble: str) -> None:
    lab.serving(OLD)
    if trouble == "never_ready":
        lab.runtime.never_ready.add(NEW)
    if trouble == "smoke":
        lab.smoke.fails.add(NEW)
    if trouble == "migration":
        lab.artifacts.releases[OLD] = Release(OLD, "0" * 40, ("0001", "0002"), leads_to="0001", floor="0001")
        lab.artifacts.releases[NEW] = Release(NEW, "0" * 40, ("0001", "0002"))
        lab.runtime.migrations_fail = True
    if trouble == "edge":
        lab.edge.refuses = 1
    assert lab.engine().deploy(NEW, "trouble").outcome == "aborted"
    assert lab.edge.serving == Split(OLD)
    assert all(split.weight_pct == 0 for split in lab.edge.history)
    assert list(lab.runtime.running()) == [OLD]


def test_what_does_not_verify_never_runs(lab: Lab) -> None:
    lab.serving(OLD)
    del lab.artifacts.releases[NEW]
    ended = lab.engine().deploy(NEW, "unknown")
    assert ended.outcome == "refused"
    assert list(lab.runtime.running()) == [OLD]


def test_another_process_aborts_through_the_ledger(lab: Lab) -> None:
    lab.serving(OLD)

    def ask() -> None:
        Ledger(lab.path, actor="on-call").append(e.AbortRequested("looks wrong"))

    lab.clock.at(lab.clock.now_s + 5, ask)
    ended = lab.engine().deploy(NEW, "x")
    assert (ended.outcome, ended.reason) == ("aborted", "looks wrong")
    names = lab.names()
    assert names[names.index("abort_requested") + 1] == "set_split", "nothing comes between the request and the way back"
    assert lab.edge.serving == Split(OLD)


def test_another_process_promotes_without_proof(lab: Lab) -> None:
    lab.serving(OLD)
    lab.edge.rate_per_s = 5  # the 1 % step would never prove anything

    def ask() -> None:
        lab.edge.rate_per_s = 200
        Ledger(lab.path, actor="on-call").append(e.PromoteRequested("known good"))

    lab.clock.at(lab.clock.now_s + 5, ask)
    assert lab.engine().deploy(NEW, "x").outcome == "promoted"
    assert 10 not in [split.weight_pct for split in lab.edge.history]


def test_what_the_ledger_says_does_not_change_with_the_policy(lab: Lab) -> None:
    """Weights, bounds and the number of pinned releases of another day: what serves is a fact."""
    lab.serving(OLDER, OLD, NEW)
    before = lab.engine().state
    other = [
        step.model_copy(update={"weight_pct": step.weight_pct - (step.weight_pct < 100), "hold_max_s": step.bake_s + 0.1})
        for step in lab.policy.steps[1:]
    ]
    lab.policy = lab.policy.model_copy(
        update={"steps": tuple(other), "runtime": lab.policy.runtime.model_copy(update={"pinned_releases": 1})}
    )
    assert lab.engine().state == before
    assert lab.engine().rollback(None, "x").outcome == "rolled_back"
    assert lab.edge.serving == Split(OLD)


def test_ctrl_c_goes_back(lab: Lab) -> None:
    lab.serving(OLD)
    lab.clock.at(lab.clock.now_s + 5, lab.clock.interrupt)
    assert lab.engine().deploy(NEW, "x").outcome == "aborted"
    assert lab.edge.serving == Split(OLD)


@pytest.mark.thorough
def test_rollback_is_one_weight_change_and_never_lands_on_quarantine(lab: Lab) -> None:
    lab.serving(OLDER, OLD, NEW)
    Ledger(lab.path).append(e.Quarantined(OLD, "found bad later"))
    lab.artifacts.releases.clear()  # neither artifacts ...
    lab.runtime.never_ready.update({OLDER, OLD, NEW})  # ... nor starts are needed
    ended = lab.engine().rollback(None, "orders fail")
    assert ended.outcome == "rolled_back"
    assert lab.edge.serving == Split(OLDER)
    assert lab.engine().state.is_quarantined(NEW)
    with pytest.raises(errors.NothingToRollBackTo):
        lab.engine().rollback(None, "once more")


def test_rollback_revives_a_pinned_release_that_died(lab: Lab) -> None:
    lab.serving(OLD, NEW)
    lab.runtime.stop(OLD)
    assert lab.engine().rollback(None, "x").outcome == "rolled_back"
    assert lab.edge.serving == Split(OLD)


def test_the_way_back_restarts_an_edge_that_refuses(lab: Lab) -> None:
    lab.serving(OLD, NEW)
    lab.edge.refuses = 2
    assert lab.engine().rollback(None, "x").outcome == "rolled_back"
    assert lab.edge.stopped == 2
    assert lab.edge.serving == Split(OLD)


def test_an_edge_that_never_accepts_leaves_a_state_to_go_on_from(lab: Lab) -> None:
    lab.serving(OLD, NEW)
    lab.edge.refuses = 3
    with pytest.raises(errors.EdgeRefused):
        lab.engine().rollback(None, "x")
    assert lab.engine().recover() is not None
    assert lab.edge.serving == Split(OLD)


def is_safe(lab: Lab) -> None:
    """Nobody is on a canary, what serves runs, nothing else than baseline and pinned runs, no rollout is left open."""
    state = lab.engine().state
    assert state.rollout is None
    assert state.baseline is not None
    assert lab.edge.serving == Split(state.baseline)
    assert set(lab.runtime.running()) == {state.baseline, *state.pinned}
    assert not state.is_quarantined(state.baseline)


def story(tmp_path: Path, policy: Policy, name: str) -> tuple[Lab, Callable[[Engine], object]]:
    """A world before something happens to it, and what happens. Two steps, enough traffic to decide at once."""
    brief = [step.model_copy(update={"bake_s": 0}) for step in (policy.steps[0], policy.steps[-1])]
    lab = Lab(tmp_path / "before", policy.model_copy(update={"steps": tuple(brief)}))
    lab.edge.rate_per_s = 20_000
    lab.serving(OLDER, OLD)
    if name == "bad":
        lab.edge.failed[NEW] = 0.3
    if name == "flag":
        lab.flags.on_share, lab.edge.failed_on[NEW] = 0.2, 1.0
    if name == "crash":
        lab.runtime.never_ready.add(NEW)
    if name == "rollback":
        return lab, lambda engine: engine.rollback(None, "x")
    return lab, lambda engine: engine.deploy(NEW, "x")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["healthy", "bad", "flag", "crash", "rollback"])
def test_killed_after_every_write_the_next_engine_gets_to_a_safe_state(tmp_path: Path, policy: Policy, name: str) -> None:
    before, action = story(tmp_path, policy, name)
    writes, died = 0, True
    while died:
        writes += 1
        lab = before.fork(tmp_path / str(writes))
        died = lab.killed_after(writes, action)
        lab.engine().recover()
        is_safe(lab)
        assert lab.engine().recover() is None
    assert writes > 10


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["healthy", "bad", "flag", "rollback"])
def test_a_ledger_cut_after_every_line_leads_to_a_safe_state(tmp_path: Path, policy: Policy, name: str) -> None:
    """The world has gone on, the record of it is lost from some line on: what the ledger still says decides."""
    before, action = story(tmp_path, policy, name)
    kept = len(read(before.path))
    after = before.fork(tmp_path / "after")
    action(after.engine())
    for lines in range(kept, len(read(after.path)) + 1):
        lab = after.fork(tmp_path / str(lines), lines)
        engine = lab.engine()
        engine.recover()
        engine.resume()
        is_safe(lab)
