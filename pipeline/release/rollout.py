"""The rollout as a state machine without I/O: `advance(state, event) -> (state, commands)`.

    requested ─▶ verifying ─▶ migrating ─▶ starting ─▶ attaching ─▶ smoking ─▶ shifting ⇄ baking ─▶ promoting ─▶ retiring ─▶ ending
                     │            │            │            │           │          │        │  ⇅ killing a flag
                     └ refused    └────────────┴────────────┴───────────┴──────────┴────────┴──▶ the way back:
                                  reverting ─▶ freezing ─▶ quarantining ─▶ freezing flags ─▶ draining ─▶ stopping ─▶ ending

Events are facts (past tense), commands are requests to the world (imperative). Each command's result comes back as an event.
Where the evidence points at a variant of a flag and not at the release, the plan may have that flag killed first, once; the watch then begins afresh.
A rollback after promotion enters the way back with another release as its target. Where the engine died, `EngineLost` does so, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from release import events as e
from release.errors import Frozen, NothingToRollBackTo, Quarantined, RolloutInProgress, SlipwayError
from release.policy import Step

REVERT_TRIES = 3


class Phase(StrEnum):
    VERIFYING = "verifying"
    MIGRATING = "migrating"
    STARTING = "starting"
    ATTACHING = "attaching"
    SMOKING = "smoking"
    SHIFTING = "shifting"
    BAKING = "baking"
    KILLING = "killing"
    PROMOTING = "promoting"
    RETIRING = "retiring"
    REVIVING = "reviving"
    REVERTING = "reverting"
    FREEZING = "freezing"
    QUARANTINING = "quarantining"
    FREEZING_FLAGS = "freezing_flags"
    DRAINING = "draining"
    STOPPING = "stopping"
    ENDING = "ending"


WAY_BACK = frozenset(
    {Phase.REVIVING, Phase.REVERTING, Phase.FREEZING, Phase.QUARANTINING, Phase.FREEZING_FLAGS, Phase.DRAINING, Phase.STOPPING}
)
DECIDED = WAY_BACK | {Phase.PROMOTING, Phase.RETIRING, Phase.ENDING}


@dataclass(frozen=True)
class Rollout:
    """One release on its way to users, or on its way back."""

    id: str
    digest: str  # the canary; on a rollback, the release that is taken back
    phase: Phase
    steps: tuple[Step, ...] = ()  # the plan, as the policy had it when the rollout was requested
    pinned_releases: int = 0  # how many stay warm after promotion
    step: int = -1  # index into steps
    entered_s: float = 0.0  # when this step's weight was acknowledged
    held: bool = False  # a person asked to stay at this weight
    target: str | None = None  # where a rollback leads; None: to the baseline
    outcome: str = ""
    reason: str = ""
    freeze: bool = False
    tries: int = 0
    kill_first: bool = False
    freeze_flags: bool = False
    killed: tuple[str, ...] = ()  # flags that this rollout has killed, or tried to: none is killed twice


@dataclass(frozen=True)
class State:
    """All that the ledger says about one environment."""

    baseline: str | None = None
    pinned: tuple[str, ...] = ()  # previous good releases, newest first; warm
    quarantined: tuple[tuple[str, str], ...] = ()  # (digest, reason)
    frozen: str | None = None  # the reason
    rollout: Rollout | None = None

    def is_quarantined(self, digest: str) -> bool:
        return any(digest == held for held, _ in self.quarantined)


Advance = tuple[State, tuple[e.Command, ...]]


# Decisions before a rollout begins.


def refusal(state: State, digest: str) -> SlipwayError | None:
    """Why `digest` may not be rolled out now, or None."""
    if state.rollout:
        return RolloutInProgress(f"A rollout of {state.rollout.digest} is in progress ({state.rollout.phase}).")
    if state.is_quarantined(digest):
        return Quarantined(f"{digest} is quarantined: {dict(state.quarantined)[digest]}.")
    if state.frozen is not None:
        return Frozen(f"Rollouts are frozen: {state.frozen}.")
    return None


def rollback_target(state: State, wanted: str | None) -> str:
    """The newest pinned release that is not quarantined, or the one named. Raises NothingToRollBackTo or Quarantined."""
    if wanted is not None:
        if state.is_quarantined(wanted):
            raise Quarantined(f"{wanted} is quarantined: {dict(state.quarantined)[wanted]}.")
        if wanted not in state.pinned:
            raise NothingToRollBackTo(f"{wanted} is not a pinned release.")
        return wanted
    for digest in state.pinned:
        if not state.is_quarantined(digest):
            return digest
    raise NothingToRollBackTo("No previous good release is pinned.")


# The machine.


def advance(state: State, event: e.Event) -> Advance:
    """Pure. Commands replace those not yet carried out; no commands means: go on with what is pending.

    An answer that does not fit the phase (its question was overtaken, say by an abort) changes nothing.
    """
    if isinstance(event, e.RolloutRequested):
        out = Rollout(
            event.rollout,
            event.digest,
            Phase.VERIFYING,
            event.steps,
            event.pinned_releases,
            kill_first=event.kill_first,
            freeze_flags=event.freeze_flags,
        )
        return replace(state, rollout=out), (e.Verify(event.digest),)
    if isinstance(event, e.RollbackRequested):
        back = Rollout(
            event.rollout,
            event.digest,
            Phase.REVIVING,
            target=event.to,
            outcome="rolled_back",
            reason=event.reason,
            freeze=True,
            freeze_flags=event.freeze_flags,
        )
        return replace(state, rollout=back), (e.Start(event.to),)
    if isinstance(event, e.Frozen | e.Unfrozen | e.Quarantined | e.QuarantineLifted | e.LedgerRepaired):
        state = _noted(state, event)
    rollout = state.rollout
    if rollout is None:
        return state, ()
    if isinstance(event, e.RolloutEnded):
        return replace(state, rollout=None), ()
    if isinstance(event, e.HoldRequested | e.PromoteRequested | e.AbortRequested | e.Interrupted | e.EngineLost):
        return _asked(state, rollout, event)
    if rollout.phase in WAY_BACK:
        return _way_back(state, rollout, event)
    return _way_out(state, rollout, event)


def _noted(state: State, event: e.Event) -> State:
    """Facts about the environment that hold with or without a rollout."""
    if isinstance(event, e.Frozen):
        return replace(state, frozen=event.reason)
    if isinstance(event, e.Unfrozen):
        return replace(state, frozen=None)
    if isinstance(event, e.Quarantined):
        return replace(state, quarantined=(*_without(state.quarantined, event.digest), (event.digest, event.reason)))
    if isinstance(event, e.QuarantineLifted):
        return replace(state, quarantined=_without(state.quarantined, event.digest))
    if isinstance(event, e.LedgerRepaired):
        kept = dict.fromkeys(event.quarantined, "quarantined in the damaged part of the ledger")
        return replace(state, quarantined=tuple({**kept, **dict(state.quarantined)}.items()))
    return state


def _without(pairs: tuple[tuple[str, str], ...], digest: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in pairs if pair[0] != digest)


def _asked(state: State, rollout: Rollout, event: e.Event) -> Advance:
    """What a person, or the death of an engine, asks of a rollout. A decision that is made already stands."""
    if isinstance(event, e.EngineLost):
        if rollout.phase is Phase.ENDING:
            return _end(state, rollout)
        if rollout.phase in WAY_BACK:
            return _restart_way_back(state, rollout)
        if rollout.phase in (Phase.PROMOTING, Phase.RETIRING):
            return _promote(state, rollout)
        return _revert(state, rollout, f"the engine died while {rollout.phase}", freeze=False)
    if rollout.phase in DECIDED:
        return state, ()
    if isinstance(event, e.AbortRequested):
        return _revert(state, rollout, event.reason, freeze=False)
    if isinstance(event, e.Interrupted):
        return _revert(state, rollout, "interrupted from the keyboard", freeze=False)
    if isinstance(event, e.HoldRequested):
        return _with(state, rollout, held=True), ()
    if isinstance(event, e.PromoteRequested) and rollout.phase is Phase.BAKING:
        last = len(rollout.steps) - 1
        if rollout.step == last:
            return _promote(state, rollout)
        return _shift(state, replace(rollout, held=False), last)
    return state, ()


def _way_out(state: State, rollout: Rollout, event: e.Event) -> Advance:
    match rollout.phase, event:
        case Phase.VERIFYING, e.ReleaseVerified():
            return _to(state, rollout, Phase.MIGRATING, e.Migrate(rollout.digest))
        case Phase.VERIFYING, e.ReleaseRefused():
            return _end(state, replace(rollout, outcome="refused", reason=event.what))
        case Phase.MIGRATING, e.SchemaMigrated():
            return _to(state, rollout, Phase.STARTING, e.Start(rollout.digest))
        case Phase.STARTING, e.ReleaseStarted():
            first = state.baseline is None  # no users yet: nothing to compare with, and nobody to protect
            split = e.SetSplit(rollout.digest) if first else e.SetSplit(state.baseline or "", rollout.digest, 0)
            return _to(state, rollout, Phase.ATTACHING, split)
        case Phase.ATTACHING, e.SplitSet() if event.weight_pct == 0:
            return _to(state, rollout, Phase.SMOKING, e.Smoke(rollout.digest))
        case Phase.SMOKING, e.SmokePassed():
            if state.baseline is None:
                return _promote(state, rollout)
            return _shift(state, rollout, 0)
        case Phase.SHIFTING, e.SplitSet() if event.weight_pct == rollout.steps[rollout.step].weight_pct:
            baking = replace(rollout, phase=Phase.BAKING, entered_s=event.at_s)
            return replace(state, rollout=baking), (_watch(baking),)
        case Phase.BAKING, e.GateLooked():
            return _looked(state, rollout, event)
        case Phase.KILLING, e.FlagKilled() if event.flag in rollout.killed:
            return _watch_afresh(state, rollout, event.at_s)
        case Phase.KILLING, e.FlagKillFailed():
            if rollout.reason:
                return _revert(state, rollout, f"{rollout.reason}; the flag could not be killed: {event.what}", freeze=True)
            return _watch_afresh(state, rollout, event.at_s)
        case Phase.PROMOTING, e.Promoted():
            return _retire(state, rollout)
        case Phase.PROMOTING, e.SplitSet() if event.baseline == rollout.digest:
            return state, (e.Promote(rollout.digest),)
        case Phase.RETIRING, e.ReleaseStopped():
            return _retire(state, rollout)
        case Phase.PROMOTING | Phase.RETIRING, e.SplitRefused():
            return state, (e.Promote(rollout.digest),)  # the weights are right already: 100 % is the canary's
        case _, e.StartFailed() | e.MigrationFailed() | e.SmokeFailed() | e.SplitRefused() | e.TelemetryLost():
            return _revert(state, rollout, event.what, freeze=False)
    return state, ()


def _looked(state: State, rollout: Rollout, event: e.GateLooked) -> Advance:
    """FAIL goes back. PASS goes on after the least bake. Neither is bounded by the longest hold. A flag that is to blame goes first, once."""
    step = rollout.steps[rollout.step]
    elapsed_s = event.at_s - rollout.entered_s
    flag = event.suspect["flag"] if event.suspect and rollout.kill_first else None
    if flag and flag not in rollout.killed:
        return _kill(state, rollout, flag, event)
    if event.verdict == "FAIL":
        return _revert(state, rollout, "; ".join(event.reasons), freeze=True)
    if elapsed_s >= step.hold_max_s:
        return _revert(
            state,
            rollout,
            f"no proof of health within {step.hold_max_s:g} s at {step.weight_pct} %: {'; '.join(event.reasons)}",
            freeze=False,
        )
    if event.verdict == "PASS" and elapsed_s >= step.bake_s and not rollout.held:
        if rollout.step == len(rollout.steps) - 1:
            return _promote(state, rollout)
        return _shift(state, rollout, rollout.step + 1)
    return state, (_watch(rollout),)


def _kill(state: State, rollout: Rollout, flag: str, event: e.GateLooked) -> Advance:
    """`reason` is why the release goes back if the flag can't be killed; none where the gate has nothing against it."""
    assert event.suspect
    killing = replace(rollout, killed=(*rollout.killed, flag), reason="; ".join(event.reasons) if event.verdict == "FAIL" else "")
    return _to(state, killing, Phase.KILLING, e.KillFlag(flag, str(event.suspect["words"])))


def _watch_afresh(state: State, rollout: Rollout, at_s: float) -> Advance:
    """At the same step, from its beginning."""
    baking = replace(rollout, phase=Phase.BAKING, entered_s=at_s, reason="")
    return replace(state, rollout=baking), (_watch(baking),)


def _shift(state: State, rollout: Rollout, step: int) -> Advance:
    split = e.SetSplit(state.baseline or "", rollout.digest, rollout.steps[step].weight_pct)
    return _with(state, rollout, phase=Phase.SHIFTING, step=step), (split,)


def _watch(rollout: Rollout) -> e.Watch:
    following = rollout.steps[rollout.step + 1 : rollout.step + 2]
    return e.Watch(
        rollout.digest, rollout.steps[rollout.step].weight_pct, following[0].weight_pct if following else None, len(rollout.killed)
    )


def _promote(state: State, rollout: Rollout) -> Advance:
    return _to(state, rollout, Phase.PROMOTING, e.SetSplit(rollout.digest))


def _retire(state: State, rollout: Rollout) -> Advance:
    """The canary is the baseline; of the previous releases the newest stay warm, the rest stop one by one."""
    previous = (state.baseline, *state.pinned) if state.baseline != rollout.digest else state.pinned
    pinned = tuple(digest for digest in dict.fromkeys(previous) if digest and digest != rollout.digest)
    keep = rollout.pinned_releases
    # A release stays in the list until it has stopped, so that a crash here forgets nobody.
    if rollout.phase is Phase.RETIRING and len(pinned) > keep:
        pinned = pinned[:-1]
    state = replace(state, baseline=rollout.digest, pinned=pinned)
    if len(pinned) > keep:
        return _to(state, rollout, Phase.RETIRING, e.Stop(pinned[-1]))
    return _end(state, replace(rollout, outcome="promoted", reason=rollout.reason or "every step passed"))


# The way back. Always allowed, and the same for a failed gate, a person's abort, a dead engine and a rollback.


def _revert(state: State, rollout: Rollout, reason: str, *, freeze: bool) -> Advance:
    return _restart_way_back(state, replace(rollout, outcome="aborted", reason=reason, freeze=freeze))


def _restart_way_back(state: State, rollout: Rollout) -> Advance:
    rollout = replace(rollout, tries=0)
    if rollout.target is not None:
        return _to(state, rollout, Phase.REVIVING, e.Start(rollout.target))
    return _set_back(state, rollout)


def _set_back(state: State, rollout: Rollout) -> Advance:
    safe = rollout.target or state.baseline
    if safe is None:  # the very first release: it had no users, and there is nothing to go back to
        return _to(state, rollout, Phase.DRAINING, e.Drain(rollout.digest))
    return _to(state, rollout, Phase.REVERTING, e.SetSplit(safe, force=rollout.tries > 0))


def _way_back(state: State, rollout: Rollout, event: e.Event) -> Advance:
    match rollout.phase, event:
        case Phase.REVIVING, e.ReleaseStarted() if event.digest == rollout.target:
            return _set_back(state, rollout)
        case Phase.REVIVING, e.StartFailed() | e.ReleaseRefused():
            return _end(state, replace(rollout, outcome="failed", reason=f"the release to go back to does not run: {event.what}"))
        case Phase.REVERTING, e.SplitRefused() if rollout.tries + 1 < REVERT_TRIES:
            return _set_back(state, replace(rollout, tries=rollout.tries + 1))
        case Phase.REVERTING, e.SplitSet() if event.canary is None and event.baseline == (rollout.target or state.baseline):
            if rollout.freeze:
                return _to(state, rollout, Phase.FREEZING, e.Freeze(rollout.reason))
            return _to(state, rollout, Phase.QUARANTINING, e.Quarantine(rollout.digest, rollout.reason))
        case Phase.FREEZING, e.Frozen():
            return _to(state, rollout, Phase.QUARANTINING, e.Quarantine(rollout.digest, rollout.reason))
        case Phase.QUARANTINING, e.Quarantined() if event.digest == rollout.digest:
            if rollout.freeze and rollout.freeze_flags:
                return _to(state, rollout, Phase.FREEZING_FLAGS, e.FreezeFlags(rollout.reason))
            return _to(state, rollout, Phase.DRAINING, e.Drain(rollout.digest))
        case Phase.FREEZING_FLAGS, e.FlagsFrozen() | e.FlagFreezeFailed():  # at best: it never holds up the way back
            return _to(state, rollout, Phase.DRAINING, e.Drain(rollout.digest))
        case Phase.DRAINING, e.Drained() if event.digest == rollout.digest:
            return _to(state, rollout, Phase.STOPPING, e.Stop(rollout.digest))
        case Phase.STOPPING, e.ReleaseStopped() if event.digest == rollout.digest:
            return _end(_settled(state, rollout), rollout)
    return state, ()


def _settled(state: State, rollout: Rollout) -> State:
    """After a rollback its target is the baseline; what was taken back is neither baseline nor pinned."""
    if rollout.target is None:
        return replace(state, pinned=tuple(digest for digest in state.pinned if digest != rollout.digest))
    return replace(state, baseline=rollout.target, pinned=tuple(d for d in state.pinned if d not in (rollout.target, rollout.digest)))


def _end(state: State, rollout: Rollout) -> Advance:
    return _to(state, rollout, Phase.ENDING, e.End(rollout.id, rollout.outcome, rollout.reason))


def _to(state: State, rollout: Rollout, phase: Phase, command: e.Command) -> Advance:
    return replace(state, rollout=replace(rollout, phase=phase)), (command,)


def _with(state: State, rollout: Rollout, **changes: object) -> State:
    return replace(state, rollout=replace(rollout, **changes))  # type: ignore[arg-type]
