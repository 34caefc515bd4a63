"""At 100 %, without a baseline: the SLO, bursts, and no data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from release import gate, policy
from release.gate import Evidence, GateState, Verdict
from release.telemetry import Lanes, Sample, Tally

POLICY = policy.read(Path(__file__).parents[1] / "policy.yaml")
NOBODY = Tally(0, 0)


def second(at_s: float, failed: int = 0, slow: int = 0, requests: int = 120, active: int = 0, broken: int = 0) -> Sample:
    failures, times, client = (Lanes(Tally(requests, bad), NOBODY) for bad in (failed, slow, broken))
    return Sample(at_s, at_s + 1, failures, times, client, active)


def before(baseline_slow: int = 0) -> GateState:
    """A rollout in which the baseline had so many slow answers in a thousand, now at 100 %."""
    lanes, slow = Lanes(NOBODY, Tally(1000, 0)), Lanes(NOBODY, Tally(1000, baseline_slow))
    state = gate.start_step(gate.start(POLICY), POLICY, 1.0)
    state, _ = gate.look(state, POLICY, Sample(-100, -99, lanes, slow, lanes, 0))
    return gate.start_step(state, POLICY, 1.0)


def told(samples: Iterable[Sample], state: GateState | None = None) -> list[Evidence]:
    state, said = state or before(), []
    for sample in samples:
        state, evidence = gate.watch_slo(state, POLICY, sample)
        said += [evidence] if evidence else []
    return said


def verdicts(said: Iterable[Evidence]) -> list[Verdict]:
    return [evidence.verdict for evidence in said]


def test_enough_clean_answers_pass_and_no_fewer() -> None:
    said = told(second(at) for at in range(6))
    assert verdicts(said) == [*4 * [Verdict.INCONCLUSIVE], Verdict.PASS, Verdict.PASS]  # ln 20 / 0.5 % = 598 answers, by the smallest SLO
    assert said[0].reasons[0] == "failures: 0 of 120 requests bad at 100 %, limit 1 %; 3.3 to 1 for health, 20 to 1 needed"


def test_no_data_is_no_pass() -> None:
    said = told(second(at, requests=0) for at in range(30))
    assert set(verdicts(said)) == {Verdict.INCONCLUSIVE}
    assert len(said) == 6


def test_no_data_after_clean_answers_is_no_pass() -> None:
    said = told([*(second(at) for at in range(10)), *(second(at, requests=0) for at in range(10, 30))])
    assert set(verdicts(said[10:])) == {Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("at_s", [0, 20, 110])
def test_an_outage_fails_within_seconds_also_late(at_s: int) -> None:
    said = told([*(second(at) for at in range(at_s)), *(second(at, failed=120) for at in range(at_s, at_s + 10))])
    first = verdicts(said).index(Verdict.FAIL)
    assert at_s + 2 <= first <= at_s + 4
    assert said[first].reasons[0].startswith("failures: ")
    assert "against a healthy release" in said[first].reasons[0]


def test_pages_that_break_for_everyone_fail() -> None:
    said = told([*(second(at) for at in range(20)), *(second(at, broken=12) for at in range(20, 60))])
    first = verdicts(said).index(Verdict.FAIL)
    assert 22 <= first <= 40
    assert said[first].reasons[0].startswith("client: ")


def test_everything_slow_fails_within_ten_seconds() -> None:
    said = told([*(second(at) for at in range(20)), *(second(at, slow=120) for at in range(20, 30))])
    assert Verdict.FAIL in verdicts(said)


@pytest.mark.parametrize("at_s", [0, 3, 20])
def test_a_second_of_total_outage_is_no_rollback(at_s: int) -> None:
    assert Verdict.FAIL not in verdicts(told(second(at, failed=120 * (at == at_s), slow=120 * (at == at_s)) for at in range(60)))


def test_three_seconds_in_which_everything_is_slow_are_no_rollback() -> None:
    assert Verdict.FAIL not in verdicts(told(second(at, slow=120 * (10 <= at < 13)) for at in range(60)))


def test_a_release_at_its_slo_is_not_rolled_back() -> None:
    assert Verdict.FAIL not in verdicts(told(second(at, failed=1, slow=6) for at in range(600)))


def test_a_release_at_three_times_its_slo_is() -> None:
    assert Verdict.FAIL in verdicts(told(second(at, failed=4) for at in range(60)))


def test_more_than_the_slo_allows_never_passes() -> None:
    assert Verdict.PASS not in verdicts(told(second(at, failed=2) for at in range(60)))


def test_what_the_baseline_did_too_is_not_the_releases_fault() -> None:
    """8 % slow is beyond an SLO of 5 %; it is healthy beside a baseline with 8 %."""
    samples = [second(at, slow=10) for at in range(60)]
    assert Verdict.PASS not in verdicts(told(samples, before(baseline_slow=10)))
    assert verdicts(told(samples, before(baseline_slow=80)))[-1] is Verdict.PASS


def test_a_hang_fails_without_a_baseline_to_compare_with() -> None:
    said = told([second(0), *(second(at, requests=0, active=50) for at in range(1, 5))])
    assert Verdict.FAIL in verdicts(said)
    assert said[-1].reasons[0].startswith("hang: ")


def test_what_the_canary_did_before_still_counts() -> None:
    """One promise for the whole rollout: suspicion from earlier steps is carried over."""
    state = before()
    failures = state.indicators["failures"]
    rich = replace(failures, capital=replace(failures.capital, reserve=50.0))
    suspect = replace(state, indicators={**state.indicators, "failures": rich})
    outage = [second(at, failed=60) for at in range(5)]
    assert verdicts(told(outage, suspect)).index(Verdict.FAIL) < verdicts(told(outage)).index(Verdict.FAIL)


def test_state_goes_to_json_and_back() -> None:
    adapter, state = TypeAdapter(GateState), before()
    for at in range(3):
        state, _ = gate.watch_slo(state, POLICY, second(at, failed=1))
    assert adapter.validate_json(adapter.dump_json(state)) == state
