"""Playbooks: a whole rollout as events in and commands out, without I/O."""

from __future__ import annotations

from dataclasses import replace

import pytest

from release import errors
from release import events as e
from release.home import Home
from release.policy import read
from release.rollout import Phase, State, advance, refusal, rollback_target

OLD, NEW, OLDER, OLDEST = (f"sha256:{digit * 64}" for digit in "0123")
PLAN = read(Home.find().policy).steps
SERVING = State(baseline=OLD, pinned=(OLDER, OLDEST))
Play = list[tuple[e.Event, tuple[e.Command, ...]]]


def play(state: State, *acts: tuple[e.Event, tuple[e.Command, ...]]) -> State:
    """Feed each event and compare the commands that come back."""
    for number, (event, expected) in enumerate(acts):
        state, commands = advance(state, event)
        assert commands == expected, f"act {number}: {event}"
    return state


def looked(verdict: str, at_s: float, weight_pct: int = 1) -> e.GateLooked:
    return e.GateLooked(at_s, weight_pct, verdict, (f"because {verdict}",), 1.0, {}, {}, {})


def split(baseline: str, canary: str | None = None, weight_pct: int = 0, at_s: float = 0.0) -> e.SplitSet:
    return e.SplitSet(baseline, canary, weight_pct, "1", 0.002, at_s)


def admission(weight_pct: int = 1) -> Play:
    """From the request to the first users."""
    return [
        (e.RolloutRequested("r1", NEW, "new prices", PLAN, 2), (e.Verify(NEW),)),
        (e.ReleaseVerified(NEW, "abc", ("0001",)), (e.Migrate(NEW),)),
        (e.SchemaMigrated(NEW, 0.1), (e.Start(NEW),)),
        (e.ReleaseStarted(NEW, (1, 2), 1.0), (e.SetSplit(OLD, NEW, 0),)),
        (split(OLD, NEW, 0), (e.Smoke(NEW),)),
        (e.SmokePassed(NEW), (e.SetSplit(OLD, NEW, weight_pct),)),
    ]


def way_back(reason: str, *, freeze: bool) -> Play:
    """From the acknowledged weight 0 to the end."""
    frozen: Play = [(split(OLD), (e.Freeze(reason),)), (e.Frozen(reason), (e.Quarantine(NEW, reason),))]
    plain: Play = [(split(OLD), (e.Quarantine(NEW, reason),))]
    return [
        *(frozen if freeze else plain),
        (e.Quarantined(NEW, reason), (e.Drain(NEW),)),
        (e.Drained(NEW, 0.1, 0), (e.Stop(NEW),)),
        (e.ReleaseStopped(NEW), (e.End("r1", "aborted", reason),)),
        (e.RolloutEnded("r1", "aborted", reason), ()),
    ]


def test_a_healthy_release_climbs_every_step_and_the_oldest_release_retires() -> None:
    acts = admission()
    for index, step in enumerate(PLAN):
        following = PLAN[index + 1].weight_pct if index + 1 < len(PLAN) else None
        watch = e.Watch(NEW, step.weight_pct, following)
        onward = e.SetSplit(OLD, NEW, following) if following else e.SetSplit(NEW)
        acts += [
            (split(OLD, NEW, step.weight_pct, at_s=1000.0 * index), (watch,)),
            (looked("INCONCLUSIVE", 1000.0 * index + 1), (watch,)),
            (looked("PASS", 1000.0 * index + step.bake_s), (onward,)),
        ]
    acts += [
        (split(NEW), (e.Promote(NEW),)),
        (e.Promoted(NEW), (e.Stop(OLDEST),)),
        (e.ReleaseStopped(OLDEST), (e.End("r1", "promoted", "every step passed"),)),
        (e.RolloutEnded("r1", "promoted", "every step passed"), ()),
    ]
    assert play(SERVING, *acts) == State(baseline=NEW, pinned=(OLD, OLDER))


def test_a_failed_gate_goes_back_freezes_and_quarantines() -> None:
    acts = [*admission(), (split(OLD, NEW, 1), (e.Watch(NEW, 1, 10),)), (looked("FAIL", 9.0), (e.SetSplit(OLD),))]
    end = play(SERVING, *acts, *way_back("because FAIL", freeze=True))
    assert end == replace(SERVING, frozen="because FAIL", quarantined=((NEW, "because FAIL"),))


def test_pass_before_the_least_bake_does_not_promote() -> None:
    early = PLAN[0].bake_s - 0.1
    play(SERVING, *admission(), (split(OLD, NEW, 1), (e.Watch(NEW, 1, 10),)), (looked("PASS", early), (e.Watch(NEW, 1, 10),)))


@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "PASS"])
def test_a_step_without_proof_or_held_by_a_person_ends_at_its_bound(verdict: str) -> None:
    bound_s = PLAN[0].hold_max_s
    held: Play = [(e.HoldRequested("lunch"), ())] if verdict == "PASS" else []
    reason = f"no proof of health within {bound_s:g} s at 1 %: because {verdict}"
    acts = [*admission(), (split(OLD, NEW, 1), (e.Watch(NEW, 1, 10),)), *held, (looked(verdict, bound_s), (e.SetSplit(OLD),))]
    end = play(SERVING, *acts, *way_back(reason, freeze=False))
    assert end.frozen is None
    assert end.is_quarantined(NEW)


def test_a_held_rollout_stays_although_the_gate_passes_and_still_fails() -> None:
    watch = e.Watch(NEW, 1, 10)
    acts = [*admission(), (split(OLD, NEW, 1), (watch,)), (e.HoldRequested("look"), ()), (looked("PASS", 50.0), (watch,))]
    play(SERVING, *acts, (looked("FAIL", 51.0), (e.SetSplit(OLD),)))


def test_promote_goes_to_everyone_and_is_still_watched() -> None:
    acts = [*admission(), (split(OLD, NEW, 1), (e.Watch(NEW, 1, 10),)), (e.PromoteRequested("sure"), (e.SetSplit(OLD, NEW, 100),))]
    acts += [(split(OLD, NEW, 100, at_s=5), (e.Watch(NEW, 100, None),)), (looked("FAIL", 6.0, 100), (e.SetSplit(OLD),))]
    play(SERVING, *acts)


def test_an_abort_during_the_start_waits_for_nothing_and_ignores_the_late_answer() -> None:
    acts = [*admission()[:3], (e.AbortRequested("wrong branch"), (e.SetSplit(OLD),)), (e.ReleaseStarted(NEW, (1,), 1.0), ())]
    play(SERVING, *acts, *way_back("wrong branch", freeze=False))


def test_an_answer_to_an_overtaken_shift_is_not_taken_for_the_way_back() -> None:
    acts = [*admission(), (e.AbortRequested("stop"), (e.SetSplit(OLD),)), (split(OLD, NEW, 1), ())]
    play(SERVING, *acts, *way_back("stop", freeze=False))


def test_what_never_gets_ready_is_seen_by_nobody() -> None:
    acts = [*admission()[:3], (e.StartFailed(NEW, "NeverReady", "exit code 1"), (e.SetSplit(OLD),))]
    play(SERVING, *acts, *way_back("exit code 1", freeze=False))


def test_a_refused_release_is_neither_run_nor_quarantined() -> None:
    acts = [admission()[0], (e.ReleaseRefused(NEW, "Tampered", "a blob"), (e.End("r1", "refused", "a blob"),))]
    assert play(SERVING, *acts, (e.RolloutEnded("r1", "refused", "a blob"), ())) == SERVING


SUSPECT = {"flag": "f", "variant": "on", "to_one": 90.0, "words": "flag f: bad with on"}
BOTH = replace(e.RolloutRequested("r1", NEW, "new prices", PLAN, 2), kill_first=True, freeze_flags=True)


def suspected(verdict: str, at_s: float) -> e.GateLooked:
    return replace(looked(verdict, at_s), suspect=SUSPECT)


def watched(request_: e.RolloutRequested = BOTH) -> Play:
    return [(request_, (e.Verify(NEW),)), *admission()[1:], (split(OLD, NEW, 1), (e.Watch(NEW, 1, 10),))]


KILL = e.KillFlag("f", "flag f: bad with on")
AFRESH = e.Watch(NEW, 1, 10, 1)


def test_a_flag_that_is_to_blame_is_killed_and_the_watch_begins_afresh_at_the_same_step() -> None:
    """Also its least bake and its longest hold."""
    bake_s = PLAN[0].bake_s
    acts = [*watched(), (suspected("FAIL", 9.0), (KILL,)), (e.FlagKilled("f", "because", 9.2), (AFRESH,))]
    acts += [(looked("PASS", 9.2 + bake_s - 0.1), (AFRESH,)), (looked("PASS", 9.2 + bake_s), (e.SetSplit(OLD, NEW, 10),))]
    end = play(SERVING, *acts)
    assert end.rollout is not None
    assert (end.rollout.reason, end.frozen) == ("", None)


def test_fail_after_a_kill_goes_back_and_no_flag_is_killed_twice() -> None:
    acts = [*watched(), (suspected("FAIL", 9.0), (KILL,)), (e.FlagKilled("f", "because", 9.2), (AFRESH,))]
    play(SERVING, *acts, (suspected("FAIL", 30.0), (e.SetSplit(OLD),)))
    other = replace(looked("FAIL", 30.0), suspect={**SUSPECT, "flag": "g"})
    play(SERVING, *acts, (other, (e.KillFlag("g", "flag f: bad with on"),)))


def test_a_kill_that_fails_leads_back_with_the_gates_reason() -> None:
    reason = "because FAIL; the flag could not be killed: no answer"
    acts = [*watched(), (suspected("FAIL", 9.0), (KILL,)), (e.FlagKillFailed("f", "no answer", 11.0), (e.SetSplit(OLD),))]
    play(SERVING, *acts, (split(OLD), (e.Freeze(reason),)))


def test_a_flag_that_is_bad_in_both_lanes_is_killed_and_if_that_fails_the_canary_is_not_to_blame() -> None:
    acts = [*watched(), (suspected("INCONCLUSIVE", 9.0), (KILL,)), (e.FlagKillFailed("f", "no answer", 11.0), (AFRESH,))]
    play(SERVING, *acts, (suspected("INCONCLUSIVE", 13.0), (AFRESH,)), (suspected("FAIL", 14.0), (e.SetSplit(OLD),)))


def test_without_the_plan_no_flag_is_killed() -> None:
    """A policy that does not allow it, and ledgers of before there were flags."""
    play(SERVING, *watched(admission()[0][0]), (suspected("FAIL", 9.0), (e.SetSplit(OLD),)))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [e.AbortRequested("stop"), e.Interrupted(), e.EngineLost()])
def test_a_kill_in_progress_does_not_hold_up_the_way_back(asked: e.Event) -> None:
    acts = [*watched(), (suspected("FAIL", 9.0), (KILL,)), (asked, (e.SetSplit(OLD),)), (e.FlagKilled("f", "because", 9.2), ())]
    play(SERVING, *acts)


@pytest.mark.parametrize("answer", [e.FlagsFrozen("because FAIL"), e.FlagFreezeFailed("no answer")])
def test_flags_are_frozen_after_everyone_is_back_and_whatever_comes_of_it_the_way_back_goes_on(answer: e.Event) -> None:
    reason = "because FAIL"
    acts = [*watched(), (looked("FAIL", 9.0), (e.SetSplit(OLD),)), (split(OLD), (e.Freeze(reason),))]
    acts += [(e.Frozen(reason), (e.Quarantine(NEW, reason),)), (e.Quarantined(NEW, reason), (e.FreezeFlags(reason),))]
    play(SERVING, *acts, (answer, (e.Drain(NEW),)), *way_back(reason, freeze=True)[3:])


def test_an_abort_by_a_person_freezes_no_flags() -> None:
    play(SERVING, *watched(), (e.AbortRequested("stop"), (e.SetSplit(OLD),)), *way_back("stop", freeze=False))


def test_lost_telemetry_fails_closed() -> None:
    acts = [*admission(), (split(OLD, NEW, 1), (e.Watch(NEW, 1, 10),)), (e.TelemetryLost("no counters", 10.0), (e.SetSplit(OLD),))]
    play(SERVING, *acts, *way_back("no counters", freeze=False))


def test_the_way_back_insists_when_the_edge_refuses() -> None:
    acts = [*admission(), (e.AbortRequested("stop"), (e.SetSplit(OLD),)), (e.SplitRefused("busy"), (e.SetSplit(OLD, force=True),))]
    acts += [(e.SplitRefused("busy"), (e.SetSplit(OLD, force=True),)), (e.SplitRefused("busy"), ())]
    stuck = play(SERVING, *acts)
    assert stuck.rollout is not None
    assert stuck.rollout.phase is Phase.REVERTING  # the next command goes on from here
    play(stuck, (e.EngineLost(), (e.SetSplit(OLD),)), *way_back("stop", freeze=False))


def test_the_first_release_has_nobody_to_protect() -> None:
    acts: Play = [
        *admission()[:3],
        (e.ReleaseStarted(NEW, (1,), 1.0), (e.SetSplit(NEW),)),
        (split(NEW), (e.Smoke(NEW),)),
        (e.SmokePassed(NEW), (e.SetSplit(NEW),)),
        (split(NEW), (e.Promote(NEW),)),
        (e.Promoted(NEW), (e.End("r1", "promoted", "every step passed"),)),
        (e.RolloutEnded("r1", "promoted", "every step passed"), ()),
    ]
    assert play(State(), *acts) == State(baseline=NEW)


def test_a_first_release_that_does_not_run_is_stopped() -> None:
    acts = [*admission()[:3], (e.StartFailed(NEW, "NeverReady", "x"), (e.Drain(NEW),)), (e.Drained(NEW, 0, 0), (e.Stop(NEW),))]
    end = play(State(), *acts, (e.ReleaseStopped(NEW), (e.End("r1", "aborted", "x"),)), (e.RolloutEnded("r1", "aborted", "x"), ()))
    assert end == State()


def test_rollback_after_promotion() -> None:
    acts: Play = [
        (e.RollbackRequested("r2", OLD, OLDER, "orders fail"), (e.Start(OLDER),)),
        (e.ReleaseStarted(OLDER, (1,), 0.0), (e.SetSplit(OLDER),)),
        (split(OLDER), (e.Freeze("orders fail"),)),
        (e.Frozen("orders fail"), (e.Quarantine(OLD, "orders fail"),)),
        (e.Quarantined(OLD, "orders fail"), (e.Drain(OLD),)),
        (e.Drained(OLD, 0.1, 0), (e.Stop(OLD),)),
        (e.ReleaseStopped(OLD), (e.End("r2", "rolled_back", "orders fail"),)),
        (e.RolloutEnded("r2", "rolled_back", "orders fail"), ()),
    ]
    end = play(SERVING, *acts)
    assert end == State(OLDER, (OLDEST,), ((OLD, "orders fail"),), "orders fail")


def test_rollback_goes_to_the_newest_pinned_release_that_is_not_quarantined() -> None:
    assert rollback_target(SERVING, None) == OLDER
    assert rollback_target(replace(SERVING, quarantined=((OLDER, "bad"),)), None) == OLDEST
    assert rollback_target(SERVING, OLDEST) == OLDEST
    with pytest.raises(errors.NothingToRollBackTo):
        rollback_target(replace(SERVING, pinned=()), None)
    with pytest.raises(errors.NothingToRollBackTo):
        rollback_target(SERVING, NEW)
    with pytest.raises(errors.Quarantined):
        rollback_target(replace(SERVING, quarantined=((OLDER, "bad"),)), OLDER)


def test_what_may_not_be_rolled_out() -> None:
    assert refusal(SERVING, NEW) is None
    assert isinstance(refusal(replace(SERVING, frozen="incident"), NEW), errors.Frozen)
    assert isinstance(refusal(replace(SERVING, quarantined=((NEW, "bad"),)), NEW), errors.Quarantined)
    assert isinstance(refusal(play(SERVING, admission()[0]), NEW), errors.RolloutInProgress)


def test_neither_freeze_nor_quarantine_nor_a_decision_block_the_way_back() -> None:
    state = replace(SERVING, frozen="incident", quarantined=((OLDEST, "bad"),))
    play(state, (e.RollbackRequested("r2", OLD, OLDER, "now"), (e.Start(OLDER),)))


@pytest.mark.parametrize("acts_done", range(1, 6))
def test_a_dead_engine_leads_back_from_wherever_it_died(acts_done: int) -> None:
    state = play(SERVING, *admission()[:acts_done])
    assert state.rollout is not None
    reason = f"the engine died while {state.rollout.phase}"
    play(state, (e.EngineLost(), (e.SetSplit(OLD),)), *way_back(reason, freeze=False))


def test_a_dead_engine_does_not_undo_a_promotion() -> None:
    baking = play(SERVING, *admission(100)[:5])
    assert baking.rollout is not None
    promoting = replace(baking, rollout=replace(baking.rollout, phase=Phase.PROMOTING, step=len(PLAN) - 1))
    play(promoting, (e.EngineLost(), (e.SetSplit(NEW),)), (split(NEW), (e.Promote(NEW),)), (e.Promoted(NEW), (e.Stop(OLDEST),)))


@pytest.mark.parametrize("request_", [e.AbortRequested("late"), e.Interrupted(), e.HoldRequested("late"), e.PromoteRequested("late")])
def test_what_comes_after_the_decision_changes_nothing(request_: e.Event) -> None:
    baking = play(SERVING, *admission()[:5])
    assert baking.rollout is not None
    promoting = replace(baking, rollout=replace(baking.rollout, phase=Phase.PROMOTING))
    assert play(promoting, (request_, ())) == promoting
    reverting = play(baking, (e.AbortRequested("first"), (e.SetSplit(OLD),)))
    assert play(reverting, (request_, ())) == reverting


def test_facts_that_hold_without_a_rollout() -> None:
    acts: Play = [(e.Frozen("a"), ()), (e.Unfrozen("b"), ()), (e.Quarantined(OLDER, "c"), ()), (e.Quarantined(OLDER, "d"), ())]
    assert play(SERVING, *acts) == replace(SERVING, quarantined=((OLDER, "d"),))
    repaired = e.LedgerRepaired(3, "cut", "aside", "why", (OLDEST,))
    end = play(SERVING, *acts, (e.QuarantineLifted(OLDER, "found"), ()), (repaired, ()))
    assert [digest for digest, _ in end.quarantined] == [OLDEST]
