"""The gate as the engine uses it: samples in, verdicts with reasons out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from release import gate, policy
from release.gate import Evidence, GateState, Verdict
from release.telemetry import Lanes, Sample, Tally

POLICY = policy.read(Path(__file__).parents[1] / "policy.yaml")
NONE = (0, 0)
Counts = tuple[int, int]


def window(
    from_s: float,
    canary: Counts,
    baseline: Counts,
    slow: tuple[Counts, Counts] | None = None,
    active: int = 0,
    lasting_s: float = 1.0,
    broken: int = 0,
) -> Sample:
    """(requests, bad) of each lane; without `slow`, all are timed and none is slow; `broken` pages in the canary's lane."""
    slow_canary, slow_baseline = slow or ((canary[0], 0), (baseline[0], 0))
    failures, times = Lanes(Tally(*canary), Tally(*baseline)), Lanes(Tally(*slow_canary), Tally(*slow_baseline))
    client = Lanes(Tally(canary[0], broken), Tally(baseline[0], 0))
    return Sample(from_s, from_s + lasting_s, failures, times, client, active)


def seconds(count: int, canary: Counts, baseline: Counts, slow: tuple[Counts, Counts] | None = None, active: int = 0) -> Iterator[Sample]:
    """Four samples a second, as the engine takes them; the counts are those of each sample."""
    return (window(number / 4, canary, baseline, slow, active, 0.25) for number in range(4 * count))


def begun(next_share: float = 0.1) -> GateState:
    return gate.start_step(gate.start(POLICY), POLICY, next_share)


def told(samples: Iterable[Sample], state: GateState | None = None, *, until: Verdict | None = None) -> list[Evidence]:
    """All Evidence; ends early at the verdict `until`."""
    state, said = state or begun(), []
    for sample in samples:
        state, evidence = gate.look(state, POLICY, sample)
        said += [evidence] if evidence else []
        if evidence and evidence.verdict is until:
            break
    return said


def verdicts(said: Iterable[Evidence]) -> set[Verdict]:
    return {evidence.verdict for evidence in said}


def test_an_indicators_numbers_are_the_reason_of_a_failure() -> None:
    said = told(seconds(20, (1, 1), (30, 0)), until=Verdict.FAIL)
    assert said[-1].verdict is Verdict.FAIL
    assert said[-1].evidence >= 100
    assert len(said) <= 3
    requests = said[-1].totals.failures.canary.requests
    assert said[-1].reasons[0].startswith(f"failures: {requests} of {requests} canary requests bad, baseline 0 of {30 * requests}; ")
    assert said[-1].reasons[0].endswith(" to 1 against a healthy release")
    assert len(said[-1].reasons) == 1


def test_slow_answers_alone_are_reason_enough() -> None:
    said = told(seconds(60, (2, 0), (30, 0), slow=((2, 1), (30, 1))), until=Verdict.FAIL)
    assert said[-1].verdict is Verdict.FAIL
    assert said[-1].reasons[0].startswith("slow: ")


def test_pages_that_break_in_browsers_are_reason_enough() -> None:
    """Nothing fails and nothing is slow at the edge."""
    said = told((window(at, (10, 0), (90, 0), broken=at % 2) for at in range(120)), until=Verdict.FAIL)
    assert said[-1].verdict is Verdict.FAIL
    assert [reason.split(":")[0] for reason in said[-1].reasons] == ["client"]


def test_a_healthy_canary_passes_with_proof_by_every_indicator() -> None:
    said = told(seconds(60, (3, 0), (27, 0)), until=Verdict.PASS)
    assert said[-1].verdict is Verdict.PASS
    assert min(said[-1].health.values()) >= 20
    assert all(min(evidence.health.values()) < 20 for evidence in said[:-1])
    assert [reason.split(":")[0] for reason in said[-1].reasons] == ["failures", "slow", "client"]


def test_the_more_users_are_at_risk_next_the_more_proof_it_takes() -> None:
    looks = [len(told(seconds(600, (3, 0), (27, 0)), begun(share), until=Verdict.PASS)) for share in (0.1, 0.5, 1.0)]
    assert looks[0] < looks[1] < looks[2]


def test_one_piece_of_evidence_a_second_when_there_is_traffic() -> None:
    said = told(seconds(10, (2, 0), (30, 0)))
    assert [evidence.sample.to_s for evidence in said] == list(range(1, 11))
    assert said[-1].totals.failures == Lanes(Tally(80, 0), Tally(1200, 0))


def test_thin_traffic_makes_longer_blocks() -> None:
    said = told([window(second, (1, 0), (10, 0)) for second in range(10)])
    assert [evidence.sample.to_s for evidence in said] == [5, 10]


@pytest.mark.parametrize(
    ("canary", "baseline", "reason"),
    [
        (NONE, NONE, "no canary requests in the last"),
        (NONE, (30, 0), "no canary requests in the last"),
        ((30, 0), NONE, "no baseline requests in the last"),
        ((30, 30), NONE, "no baseline requests in the last"),
    ],
)
def test_missing_data_is_neither_good_nor_bad_and_is_said_every_five_seconds(canary: Counts, baseline: Counts, reason: str) -> None:
    said = told(seconds(60, canary, baseline))
    assert verdicts(said) == {Verdict.INCONCLUSIVE}
    assert len(said) == 12
    assert all(evidence.reasons[0].startswith(reason) for evidence in said)


def test_a_trickle_is_too_little_to_judge() -> None:
    said = told([window(0, (1, 0), (3, 0)), window(1, NONE, NONE), window(2, (1, 0), NONE), window(3, NONE, NONE), window(4, NONE, NONE)])
    assert [evidence.reasons[0] for evidence in said] == ["only 2 canary and 3 baseline requests in the last 5.0 s: too few to judge"]


def test_without_answer_times_nothing_passes() -> None:
    said = told(seconds(120, (5, 0), (30, 0), slow=(NONE, NONE)))
    assert verdicts(said) == {Verdict.INCONCLUSIVE}
    assert said[-1].reasons == ("slow: 0 of 0 canary requests bad, baseline 0 of 0; 1.0 to 1 for health, 20 to 1 needed",)


@pytest.mark.parametrize("slow", [(NONE, (30, 3)), ((3, 3), NONE)])
def test_times_of_one_lane_alone_say_nothing(slow: tuple[Counts, Counts]) -> None:
    said = told(seconds(10, (3, 0), (30, 0), slow=slow))
    assert {evidence.health["slow"] for evidence in said} == {1.0}
    assert said[-1].evidence < 1


def test_the_promised_share_of_false_alarms_is_the_threshold() -> None:
    said = told([window(second, (24, 1), (120, 0)) for second in range(10)])
    assert 50 < said[4].evidence < 100 < said[5].evidence < 500
    assert all((evidence.verdict is Verdict.FAIL) == (evidence.evidence >= 100) for evidence in said)


def test_proof_of_health_does_not_count_while_the_baseline_is_ill() -> None:
    said = told(
        [*(window(second, (12, 0), (108, 0)) for second in range(60)), window(60, (12, 0), (108, 20)), window(61, (12, 0), (108, 0))]
    )
    assert [evidence.verdict for evidence in said[-3:]] == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.PASS]


def test_the_size_of_bets_follows_the_baselines_calm_blocks_only() -> None:
    state = begun()
    for at_s, slow_of_baseline in enumerate((6, 6, 60)):
        state, _ = gate.look(state, POLICY, window(at_s, (12, 0), (120, 0), slow=((12, 0), (120, slow_of_baseline))))
    assert state.indicators["slow"].calm_baseline == Tally(240, 12)
    assert state.indicators["slow"].ill
    assert state.indicators["slow"].expected_share == pytest.approx(12.5 / 740)


def test_an_outage_of_both_lanes_holds() -> None:
    said = told(seconds(60, (3, 1), (30, 10)))
    assert verdicts(said) == {Verdict.INCONCLUSIVE}
    assert "failures: the baseline itself is beyond its SLO (40 of 120 bad in this block), which proves nothing" in said[-1].reasons


def test_an_outage_does_not_hide_a_canary_that_is_far_worse() -> None:
    assert told(seconds(30, (3, 3), (30, 6)), until=Verdict.FAIL)[-1].verdict is Verdict.FAIL


def climbed(slow_before: int) -> Iterator[Evidence]:
    """A machine near its bounds: whoever carries most is slow. First that is the baseline, then, at 90 %, the canary."""
    state = begun(0.9)
    for sample in seconds(30, (5, 0), (45, 0), slow=((5, 0), (45, slow_before))):
        state, _ = gate.look(state, POLICY, sample)
    yield from told(seconds(60, (45, 0), (5, 0), slow=((45, 9), (5, 0))), gate.start_step(state, POLICY, 1.0))


def test_a_canary_that_is_slow_by_the_load_alone_is_held_and_not_blamed() -> None:
    assert verdicts(climbed(slow_before=18)) == {Verdict.INCONCLUSIVE}


def test_one_that_is_slow_where_the_baseline_was_not_is_found() -> None:
    assert Verdict.FAIL in verdicts(climbed(slow_before=0))
    assert Verdict.FAIL in verdicts(climbed(slow_before=3)), "a fifth is worse than a fifteenth"


def test_after_an_outage_health_can_be_shown_again() -> None:
    outage, calm = list(seconds(10, (3, 1), (30, 10))), [window(10 + second, (12, 0), (120, 0)) for second in range(60)]
    assert told([*outage, *calm], until=Verdict.PASS)[-1].verdict is Verdict.PASS


def test_an_attempt_and_its_request_count_once() -> None:
    """Retries make two failures of one answer; the failed attempt may even be seen a sample before its answer."""
    said = told([window(0, (0, 5), (50, 0), lasting_s=0.5), window(0.5, (5, 5), (50, 0), lasting_s=0.5)])
    assert said[0].sample.failures.canary == Tally(5, 5)
    assert said[0].totals.failures.canary == Tally(5, 5)


class TestHang:
    def test_is_a_failure_after_hang_s_while_the_baseline_answers(self) -> None:
        said = told(seconds(10, NONE, (30, 0), active=5), until=Verdict.FAIL)
        assert said[-1].verdict is Verdict.FAIL
        assert said[-1].sample.to_s == POLICY.limits.hang_s
        assert said[-1].reasons == ("hang: the canary has 5 requests in flight and has answered none for 3.0 s",)

    def test_is_not_blamed_on_the_canary_when_both_are_silent(self) -> None:
        assert verdicts(told(seconds(30, NONE, NONE, active=50))) == {Verdict.INCONCLUSIVE}

    def test_needs_five_in_flight(self) -> None:
        assert verdicts(told(seconds(30, NONE, (30, 0), active=4))) == {Verdict.INCONCLUSIVE}

    def test_starts_afresh_with_every_answer(self) -> None:
        samples = [window(number / 4, (number % 8 == 7, 0), (30, 0), active=9, lasting_s=0.25) for number in range(80)]
        assert verdicts(told(samples)) <= {Verdict.INCONCLUSIVE, Verdict.PASS}


class TestSteps:
    def test_evidence_of_health_starts_afresh_and_evidence_against_stays(self) -> None:
        state = begun()
        for sample in seconds(10, (3, 0), (27, 0)):
            state, _ = gate.look(state, POLICY, sample)
        after = gate.start_step(state, POLICY, 0.5)
        assert set(after.indicators["failures"].health) == {0.0}
        assert after.evidence == pytest.approx(state.evidence)
        assert after.totals == state.totals

    def test_a_block_of_another_weight_is_dropped(self) -> None:
        state, _ = gate.look(begun(), POLICY, window(0, (5, 5), (5, 0), lasting_s=0.5))
        assert gate.start_step(state, POLICY, 0.5).open is None

    @pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
    def test_shares_are_shares(self, share: float) -> None:
        with pytest.raises(ValueError, match="next_share"):
            gate.start_step(gate.start(POLICY), POLICY, share)

    def test_a_look_needs_a_step(self) -> None:
        with pytest.raises(ValueError, match="start_step"):
            gate.look(gate.start(POLICY), POLICY, window(0, (1, 0), (1, 0)))


def test_state_goes_to_json_and_back_in_the_middle_of_a_block_and_of_a_hang() -> None:
    state, adapter = begun(), TypeAdapter(GateState)
    samples = [
        *seconds(7, (3, 1), (27, 0)),
        window(7, (1, 0), (0, 0), lasting_s=0.25),
        window(7.25, NONE, (9, 0), active=7, lasting_s=0.25),
    ]
    for sample in samples:
        state, _ = gate.look(state, POLICY, sample)
    assert state.open
    assert state.stall
    assert adapter.validate_json(adapter.dump_json(state)) == state


def test_evidence_is_plain_data_for_the_ledger() -> None:
    data = told(seconds(2, (3, 0), (27, 0)))[-1].as_data()
    assert json.loads(json.dumps(data))["sample"]["failures"] == {
        "canary": {"requests": 12, "bad": 0},
        "baseline": {"requests": 108, "bad": 0},
    }
    assert set(data) == {"verdict", "reasons", "evidence", "health", "sample", "totals"}
    assert type(data["verdict"]) is str
