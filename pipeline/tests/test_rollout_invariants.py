"""Random events, in any order, against what must always hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from release import events as e
from release.home import Home
from release.policy import read
from release.rollout import WAY_BACK, State, advance, refusal

POLICY = read(Home.find().policy)
DIGESTS = [f"sha256:{digit * 64}" for digit in "0123"]
digests = st.sampled_from(DIGESTS)
weights = st.sampled_from([0, *(step.weight_pct for step in POLICY.steps)])
seconds = st.floats(0, 2000)
EVENTS = st.one_of(
    st.builds(
        e.RolloutRequested, st.just("r"), digests, st.just("why"), st.just(POLICY.steps), st.integers(1, 3), st.booleans(), st.booleans()
    ),
    st.builds(e.ReleaseVerified, digests, st.just("rev"), st.just(("0001",))),
    st.builds(e.ReleaseRefused, digests, st.just("Tampered"), st.just("what")),
    st.builds(e.SchemaMigrated, digests, st.just(0.1)),
    st.builds(e.MigrationFailed, digests, st.just("x"), st.just("what")),
    st.builds(e.ReleaseStarted, digests, st.just((1, 2)), st.just(1.0)),
    st.builds(e.StartFailed, digests, st.just("x"), st.just("what")),
    st.builds(e.SmokePassed, digests),
    st.builds(e.SmokeFailed, digests, st.just("x"), st.just("what")),
    st.builds(e.SplitSet, digests, st.none() | digests, weights, st.just("1"), st.just(0.0), seconds),
    st.builds(e.SplitRefused, st.just("what")),
    st.builds(
        e.GateLooked,
        seconds,
        weights,
        st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE"]),
        st.just(()),
        st.just(1.0),
        st.just({}),
        st.just({}),
        st.just({}),
        st.none() | st.sampled_from("fg").map(lambda flag: {"flag": flag, "words": "bad"}),
    ),
    st.builds(e.FlagKilled, st.sampled_from("fg"), st.just("why"), seconds),
    st.builds(e.FlagKillFailed, st.sampled_from("fg"), st.just("what"), seconds),
    st.builds(e.FlagsFrozen, st.just("why")),
    st.builds(e.FlagFreezeFailed, st.just("what")),
    st.builds(e.TelemetryLost, st.just("what"), seconds),
    st.builds(e.Drained, digests, seconds, st.just(0)),
    st.builds(e.ReleaseStopped, digests),
    st.builds(e.Frozen, st.just("why")),
    st.builds(e.Unfrozen, st.just("why")),
    st.builds(e.Quarantined, digests, st.just("why")),
    st.builds(e.QuarantineLifted, digests, st.just("cause")),
    st.builds(e.Promoted, digests),
    st.builds(e.HoldRequested, st.just("why")),
    st.builds(e.PromoteRequested, st.just("why")),
    st.builds(e.AbortRequested, st.just("why")),
    st.just(e.Interrupted()),
    st.just(e.EngineLost()),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(EVENTS, max_size=60))
def test_whatever_happens(events: list[e.Event]) -> None:
    state = State(DIGESTS[0], (DIGESTS[2], DIGESTS[3]))
    for event in events:
        if isinstance(event, e.RolloutRequested) and (refusal(state, event.digest) or event.digest == state.baseline):
            continue  # what the engine refuses never gets into the ledger
        before = state
        state, commands = advance(state, event)
        assert len(commands) <= 1, "one thing at a time, so that a crash leaves at most one effect in doubt"
        for command in commands:
            check_command(before, state, event, command)
        check_state(before, state, event)


def check_command(before: State, after: State, event: e.Event, command: e.Command) -> None:
    assert after.rollout is not None
    on_the_way_back = after.rollout.phase in WAY_BACK
    if isinstance(command, e.SetSplit):
        assert not (on_the_way_back and command.canary), "the way back never gives the canary anything"
        if before.rollout and before.rollout.phase in WAY_BACK:
            assert on_the_way_back, "a decision to go back is final"
        if command.weight_pct > 0:
            assert isinstance(event, e.SmokePassed | e.GateLooked | e.PromoteRequested), "more users only after proof or a person's word"
            assert not isinstance(event, e.GateLooked) or event.verdict == "PASS"
    if isinstance(command, e.KillFlag):
        assert before.rollout is not None
        assert before.rollout.kill_first, "policy says whether it may"
        assert command.flag not in before.rollout.killed, "at most once per flag and rollout"
        assert not on_the_way_back
    if isinstance(command, e.FreezeFlags):
        assert before.rollout is not None
        assert before.rollout.phase == "quarantining", "after everyone is back"
    if isinstance(command, e.Stop):
        assert command.digest != after.baseline, "what serves is never stopped"
    if isinstance(command, e.Promote | e.Smoke | e.Start | e.Migrate) and not after.rollout.target:
        assert command.digest == after.rollout.digest


def check_state(before: State, after: State, event: e.Event) -> None:
    assert after.baseline not in after.pinned
    assert len(set(after.pinned)) == len(after.pinned)
    assert after.baseline is not None, "somebody always serves"
    if after.baseline != before.baseline:
        assert isinstance(event, e.Promoted | e.ReleaseStopped)
    if before.rollout and after.rollout is None:
        assert isinstance(event, e.RolloutEnded)
    if isinstance(event, e.GateLooked) and event.verdict == "FAIL" and before.rollout and before.rollout.phase == "baking":
        assert after.rollout is not None
        if after.rollout.phase != "killing":
            assert after.rollout.phase in WAY_BACK
            assert after.rollout.freeze


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(EVENTS, max_size=40))
def test_from_every_state_a_dead_engine_leads_to_an_end(events: list[e.Event]) -> None:
    """Answer each command with success, after EngineLost: the rollout ends within a bounded number of commands."""
    state = State(DIGESTS[0], (DIGESTS[2], DIGESTS[3]))
    for event in events:
        if not (isinstance(event, e.RolloutRequested) and (refusal(state, event.digest) or event.digest == state.baseline)):
            state, _ = advance(state, event)
    if state.rollout is None:
        return
    state, commands = advance(state, e.EngineLost())
    for _ in range(12):
        if not commands:
            break
        state, commands = advance(state, answer(commands[0]))
    assert state.rollout is None


def answer(command: e.Command) -> e.Event:
    match command:
        case e.SetSplit():
            return e.SplitSet(command.baseline, command.canary, command.weight_pct, "1", 0.0, 0.0)
        case e.Freeze():
            return e.Frozen(command.reason)
        case e.Quarantine():
            return e.Quarantined(command.digest, command.reason)
        case e.FreezeFlags():
            return e.FlagFreezeFailed("no answer")
        case e.Drain():
            return e.Drained(command.digest, 0.0, 0)
        case e.Stop():
            return e.ReleaseStopped(command.digest)
        case e.Promote():
            return e.Promoted(command.digest)
        case e.Start():
            return e.ReleaseStarted(command.digest, (1,), 0.0)
        case e.End():
            return e.RolloutEnded(command.rollout, command.outcome, command.reason)
    raise AssertionError(command)
