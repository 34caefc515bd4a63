"""The engine's side of the story: what the ledger says about one rollout. Times are seconds of CLOCK_MONOTONIC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from release import events as e
from release.ledger import Entry


@dataclass(frozen=True)
class Shift:
    """The edge acknowledged who gets new requests."""

    at_s: float
    weight_pct: int  # the canary's


@dataclass(frozen=True)
class Decisions:
    """One rollout. None: it did not come to that."""

    requested_s: float | None = None
    shifts: tuple[Shift, ...] = ()
    looks: tuple[e.GateLooked, ...] = ()
    decided_s: float | None = None  # the command to send everyone back was written
    reverted_s: float | None = None  # the edge acknowledged it
    ended_s: float | None = None
    outcome: str | None = None
    reason: str = ""
    interrupted: bool = False  # by the drill, out of time, or by a person
    after: frozenset[str] = frozenset()  # what was done with the release: drained, release_stopped, quarantined, frozen

    @property
    def first_user_s(self) -> float | None:
        """When the first share of the users was acknowledged."""
        return next((shift.at_s for shift in self.shifts if shift.weight_pct > 0), None)

    @property
    def weight_pct_max(self) -> int:
        return max((shift.weight_pct for shift in self.shifts), default=0)

    @property
    def verdict(self) -> e.GateLooked | None:
        """The look that decided: the first FAIL, else the last one."""
        return self.failed or (self.looks[-1] if self.looks else None)

    @property
    def failed(self) -> e.GateLooked | None:
        return next((look for look in self.looks if look.verdict == "FAIL"), None)


def of(entries: Sequence[Entry], digest: str) -> list[Entry]:
    """The entries of the latest rollout of `digest`, from its request on."""
    starts = [number for number, entry in enumerate(entries) if entry.name == "rollout_requested" and entry.data["digest"] == digest]
    return list(entries[starts[-1] :]) if starts else []


def fold(entries: Sequence[Entry], digest: str) -> Decisions:
    mine = of(entries, digest)
    facts = [(entry.mono_s, entry.fact()) for entry in mine]
    shifts = tuple(_shift(fact, digest) for _, fact in facts if isinstance(fact, e.SplitSet))
    ended = next(((at_s, fact) for at_s, fact in facts if isinstance(fact, e.RolloutEnded)), None)
    attached = next((at_s for at_s, fact in facts if isinstance(fact, e.SplitSet) and fact.canary == digest), None)
    back = [(at_s, fact) for at_s, fact in facts if attached is not None and at_s > attached and _is_way_back(fact, digest)]
    return Decisions(
        requested_s=mine[0].mono_s if mine else None,
        shifts=shifts,
        looks=tuple(fact for _, fact in facts if isinstance(fact, e.GateLooked)),
        decided_s=next((at_s for at_s, fact in back if isinstance(fact, e.SetSplit)), None),
        reverted_s=next((fact.at_s for _, fact in back if isinstance(fact, e.SplitSet)), None),
        ended_s=ended[0] if ended else None,
        outcome=ended[1].outcome if ended else None,
        reason=ended[1].reason if ended else "",
        interrupted=any(isinstance(fact, e.Interrupted | e.AbortRequested) for _, fact in facts),
        after=frozenset(
            entry.name for entry in mine if entry.name in ("drained", "release_stopped", "quarantined") and entry.data["digest"] == digest
        )
        | frozenset(entry.name for entry in mine if entry.name == "frozen"),
    )


def _shift(fact: e.SplitSet, digest: str) -> Shift:
    if fact.baseline == digest:
        return Shift(fact.at_s, 100)
    return Shift(fact.at_s, fact.weight_pct if fact.canary == digest else 0)


def _is_way_back(fact: e.Fact, digest: str) -> bool:
    """Everyone goes to another release."""
    return isinstance(fact, e.SetSplit | e.SplitSet) and fact.canary is None and fact.baseline != digest
