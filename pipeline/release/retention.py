"""Which releases stay on this machine. One that went can be built again from its source: the same source is the same digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from release import events as e

NEWEST = 20  # of those that nobody needs


def needed(facts: Iterable[e.Fact]) -> frozenset[str]:
    """Digests that one environment needs, by its ledger: what serves and what is warm, the rollout in progress, the quarantined.

    Warm is what has served everyone and was not stopped since: a rollback leads from one warm release to another.
    The policy is not asked: it may have changed since a line was written.
    """
    warm: set[str] = set()
    moving: set[str] = set()
    quarantined: set[str] = set()
    for fact in facts:
        match fact:
            case e.SplitSet():
                warm.add(fact.baseline)
            case e.ReleaseStopped():
                warm.discard(fact.digest)
            case e.RolloutRequested():
                moving = {fact.digest}
            case e.RolloutEnded():
                moving = set()
            case e.Quarantined():
                quarantined.add(fact.digest)
            case e.QuarantineLifted():
                quarantined.discard(fact.digest)
            case e.LedgerRepaired():
                quarantined.update(fact.quarantined)
    return frozenset(warm | moving | quarantined)


def kept(built: Sequence[str], needed: Set[str], newest: int) -> frozenset[str]:
    """What is needed, and the newest of the others. `built`: all digests, oldest first."""
    others = [digest for digest in built if digest not in needed]
    return frozenset({*needed, *others[max(0, len(others) - newest) :]})
