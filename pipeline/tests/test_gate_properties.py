"""What must hold for any counts."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from release import gate, policy
from release.gate import Evidence, GateState, Verdict
from release.telemetry import Lanes, Sample, Tally

POLICY = policy.read(Path(__file__).parents[1] / "policy.yaml")
ADAPTER = TypeAdapter(GateState)
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def tallies(most: int) -> st.SearchStrategy[Tally]:
    return st.tuples(st.integers(0, most), st.integers(0, most)).map(lambda two: Tally(max(two), min(two)))


def lanes(most: int = 300) -> st.SearchStrategy[Lanes]:
    return st.builds(Lanes, tallies(most), tallies(most))


def seconds(most: int = 300, longest: int = 8) -> st.SearchStrategy[list[Sample]]:
    """Consecutive seconds with any counts and any number in flight."""
    one = st.tuples(lanes(most), lanes(most), lanes(most), st.integers(0, 20))
    return st.lists(one, min_size=1, max_size=longest).map(
        lambda windows: [Sample(at, at + 1, *window) for at, window in enumerate(windows)]
    )


def run(samples: list[Sample], *, watch: bool = False) -> tuple[GateState, list[Evidence]]:
    state, said = gate.start_step(gate.start(POLICY), POLICY, 0.1), []
    for sample in samples:
        state, evidence = (gate.watch_slo if watch else gate.look)(state, POLICY, sample)
        said += [evidence] if evidence else []
    return state, said


def split(sample: Sample, cuts: list[float]) -> list[Sample]:
    """The same counts over several windows: each count is cut at the same fractions."""
    marks = [0.0, *sorted(cuts), 1.0]

    def part(count: int, low: float, high: float) -> int:
        return int(count * high) - int(count * low)

    def cut(tally: Tally, low: float, high: float) -> Tally:
        return Tally(part(tally.requests, low, high), part(tally.bad, low, high))

    def both(pair: Lanes, low: float, high: float) -> Lanes:
        return Lanes(cut(pair.canary, low, high), cut(pair.baseline, low, high))

    return [
        replace(sample.each(lambda pair: both(pair, low, high)), from_s=sample.from_s + low, to_s=sample.from_s + high)  # noqa: B023
        for low, high in pairwise(marks)
        if high > low
    ]


@FEW
@given(lanes(), lanes(), lanes(), st.lists(st.floats(0.05, 0.95), max_size=5))
def test_how_often_the_gate_looks_within_a_block_does_not_matter(failures: Lanes, slow: Lanes, client: Lanes, cuts: list[float]) -> None:
    assume(min(failures.canary.requests, failures.baseline.requests) >= 5)
    whole = Sample(0.0, 1.0, failures, slow, client, 0)
    one, few = run([whole])[1], run(split(whole, cuts))[1]
    assert one == few
    assert len(one) == 1


@pytest.mark.parametrize("watch", [False, True])
@FEW
@given(samples=seconds(), which=st.integers(0, 7), indicator=st.sampled_from(["failures", "slow", "client"]))
def test_more_bad_answers_of_the_canary_never_lower_the_evidence(watch: bool, samples: list[Sample], which: int, indicator: str) -> None:
    """In the block where they happen, after any history."""
    samples = samples[: which + 1]
    last = samples[-1]
    pair: Lanes = getattr(last, indicator)
    assume(pair.canary.bad < pair.canary.requests)
    worse = replace(last, **{indicator: replace(pair, canary=Tally(pair.canary.requests, pair.canary.bad + 1))})
    (_, now), (_, then) = run(samples, watch=watch), run([*samples[:-1], worse], watch=watch)
    assert len(now) == len(then)
    if now and now[-1].sample.to_s == last.to_s:
        assert then[-1].evidence >= now[-1].evidence
        assert then[-1].health[indicator] <= now[-1].health[indicator]
        assert not (now[-1].verdict is Verdict.FAIL and then[-1].verdict is Verdict.PASS)


@pytest.mark.parametrize(("lane", "watch"), [("canary", False), ("baseline", False), ("canary", True)])
@FEW
@given(samples=seconds())
def test_nothing_passes_without_data_of_each_lane(lane: str, watch: bool, samples: list[Sample]) -> None:
    nobody = {lane: Tally(0, 0)}
    empty = [one.each(lambda pair: replace(pair, **nobody)) for one in samples]
    assert all(evidence.verdict is not Verdict.PASS for evidence in run(empty, watch=watch)[1])


@pytest.mark.parametrize("watch", [False, True])
@FEW
@given(samples=seconds(most=10**9, longest=20))
def test_numbers_stay_numbers_and_the_state_survives_json(watch: bool, samples: list[Sample]) -> None:
    state, said = run(samples, watch=watch)
    assert ADAPTER.validate_json(ADAPTER.dump_json(state)) == state
    for evidence in said:
        figures = (evidence.evidence, *evidence.health.values())
        assert all(math.isfinite(figure) and figure >= 0 for figure in figures)
        assert evidence.reasons
