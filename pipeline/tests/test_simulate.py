"""The gate as a whole, on imagined rollouts: what it finds, how soon, and whom it must leave alone."""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

import pytest

from release import policy
from release.errors import BadScenario
from release.simulate import Rollout, Spec, binomial, draw, run_file, simulate

pytestmark = pytest.mark.thorough

POLICY = policy.read(Path(__file__).parents[1] / "policy.yaml")
EXAMPLE = Path(__file__).parents[1] / "examples" / "gate-simulation.yaml"
BURSTS: dict[str, Any] = {"disturbances": [{"at_s": 30, "lasting_s": 3, "every_s": 60, "more": {"failures": 0.05, "slow": 0.2}}]}
OUTAGE: dict[str, Any] = {"disturbances": [{"at_s": 20, "lasting_s": 60, "more": {"failures": 0.5, "slow": 0}}]}
STEADY: dict[str, Any] = {}


def rollouts(
    count: int, rate_per_s: float = 200, seed: int = 20, failures: float = 0.001, slow: float = 0.03, client: float = 0.0002, **shape: Any
) -> list[Rollout]:
    """Of a canary with these shares, beside a baseline with 0.1 % failures, 3 % slow answers and 0.02 % that tell of a broken page."""
    spec = {
        "rollouts": count,
        "seed": seed,
        "rate_per_s": rate_per_s,
        "baseline": {"failures": 0.001, "slow": 0.03, "client": 0.0002},
        "canary": {"failures": failures, "slow": slow, "client": client},
        **shape,
    }
    return simulate(Spec.model_validate(spec), POLICY)


def share(found: list[Rollout], outcome: str) -> float:
    return mean(one.outcome == outcome for one in found)


@pytest.mark.parametrize(
    ("bad", "requests_most", "seconds_most"),
    [
        ({"failures": 1.0}, 8, 4),
        ({"failures": 0.3}, 14, 7),
        ({"failures": 0.1}, 45, 24),
        ({"failures": 0.05}, 105, 55),
        ({"slow": 0.5}, 24, 13),
        ({"client": 0.1}, 60, 32),
    ],
    ids=["all fail", "30 % fail", "10 % fail", "5 % fail", "half are slow", "a page breaks in one of ten answers"],
)
def test_a_bug_is_found_after_few_requests(bad: dict[str, Any], requests_most: int, seconds_most: float) -> None:
    """Medians at 200 requests/s, half as much again as what thousands of rollouts gave."""
    found = rollouts(60, **bad)
    assert share(found, "rolled_back") == 1
    assert median(one.canary_requests for one in found) <= requests_most
    assert median(one.seconds for one in found) <= seconds_most


def test_no_verdict_on_too_little() -> None:
    assert min(one.canary_requests for one in rollouts(60, failures=1.0)) >= 2


@pytest.mark.parametrize(
    ("rate_per_s", "shape"),
    [(1000, STEADY), (200, BURSTS), (1000, BURSTS), (1000, {"cluster": 2}), (1000, OUTAGE)],
    ids=["steady", "bursts", "bursts, busy", "clusters of 2", "outage of both lanes"],
)
def test_a_healthy_release_is_left_alone(rate_per_s: float, shape: dict[str, Any]) -> None:
    found = rollouts(50, rate_per_s, **shape)
    assert share(found, "rolled_back") <= 0.02
    assert share(found, "promoted") >= 0.9


@pytest.mark.long
@pytest.mark.parametrize("rate_per_s", [200, 1000])
@pytest.mark.parametrize("shape", [STEADY, BURSTS, OUTAGE, {"cluster": 2}, {"cluster": 5}], ids=["steady", "bursts", "outage", "2", "5"])
def test_a_healthy_release_is_rolled_back_once_in_a_hundred_rollouts_at_most(rate_per_s: float, shape: dict[str, Any]) -> None:
    assert share(rollouts(1000, rate_per_s, seed=21, **shape), "rolled_back") <= POLICY.gate.false_alarm_share


@pytest.mark.long
@pytest.mark.parametrize("rate_per_s", [200, 1000])
def test_a_release_at_the_very_edge_of_healthy_by_every_indicator_is_left_alone_as_often(rate_per_s: float) -> None:
    edge = {
        name: rule.relative * share + rule.tolerance
        for (name, rule), share in zip(POLICY.gate.indicators.by_name().items(), (0.001, 0.03, 0.0002), strict=True)
    }
    assert share(rollouts(1000, rate_per_s, seed=22, **edge), "rolled_back") <= POLICY.gate.false_alarm_share


def test_a_bug_is_found_in_the_middle_of_bursts_and_under_an_outage() -> None:
    for shape in (BURSTS, OUTAGE, {"disturbances": [{"at_s": 0, "lasting_s": 60, "more": {"failures": 0.2, "slow": 0}}]}):
        found = rollouts(30, failures=0.3, **shape)
        assert share(found, "rolled_back") == 1
        assert median(one.seconds for one in found) < 90  # a minute of outage, and what the bug takes without


def test_what_is_beyond_the_limit_is_not_promoted() -> None:
    assert share(rollouts(40, 1000, failures=0.01), "promoted") == 0


def test_a_healthy_release_takes_at_least_its_bakes_and_no_longer_than_its_holds() -> None:
    found = rollouts(10, 5000)
    assert share(found, "promoted") == 1
    assert min(one.seconds for one in found) >= sum(step.bake_s for step in POLICY.steps)
    thin = rollouts(5, 1)
    assert share(thin, "held") == 1
    assert all(one.seconds <= sum(step.hold_max_s for step in POLICY.steps) for one in thin)


def test_the_same_seed_gives_the_same_rollouts_and_more_do_not_change_the_first() -> None:
    assert rollouts(5, failures=0.05) == rollouts(8, failures=0.05)[:5]
    assert rollouts(5, failures=0.05) != rollouts(5, failures=0.05, seed=21)


@pytest.mark.parametrize(("trials", "chance"), [(1, 0.3), (40, 0.001), (200, 0.03), (200, 0.5), (150, 0.97)])
def test_binomial_counts_have_the_right_mean_and_spread(trials: int, chance: float) -> None:
    random, times = Random(5), 4000
    counts = [binomial(random, trials, chance) for _ in range(times)]
    expected, variance = trials * chance, trials * chance * (1 - chance)
    assert all(0 <= count <= trials for count in counts)
    assert abs(mean(counts) - expected) < 5 * (variance / times) ** 0.5
    assert mean((count - expected) ** 2 for count in counts) == pytest.approx(variance, rel=0.25)


def test_binomial_knows_never_and_always() -> None:
    assert [binomial(Random(1), trials, chance) for trials, chance in ((10, 0.0), (10, 1.0), (0, 0.5))] == [0, 10, 0]


def test_a_disturbance_hits_both_lanes_while_it_lasts() -> None:
    whole = {"at_s": 10, "lasting_s": 2, "every_s": 20, "more": {"failures": 1, "slow": 1}}
    calm = {"failures": 0, "slow": 0}
    spec = Spec.model_validate(
        {"rollouts": 1, "seed": 1, "rate_per_s": 50, "baseline": calm, "canary": calm, "disturbances": [whole]},
    )
    hit = [at for at in range(40) if draw(spec, 0.5, at, at + 1, Random(3)).failures.baseline.bad]
    assert hit == [10, 11, 30, 31]
    sample = draw(spec, 0.5, 10, 11, Random(3))
    assert sample.failures.canary.bad == sample.failures.canary.requests > 0
    assert sample.failures == sample.slow
    assert sample.failures.canary.requests + sample.failures.baseline.requests == 50


def test_the_example_runs_and_finds_its_bug(tmp_path: Path) -> None:
    small = tmp_path / "small.yaml"
    small.write_text(EXAMPLE.read_text(encoding="utf-8").replace("rollouts: 200", "rollouts: 20"), encoding="utf-8")
    result: dict[str, Any] = run_file(small, POLICY)
    assert result["rollouts"] == 20
    assert result["rolled_back"]["share"] == 1.0
    assert result["rolled_back"]["canary_requests"]["median"] < 15
    assert result["promoted"] == {"share": 0.0}


def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "rollouts: 5\nseed: 1\nrate_per_s: 0\nbaseline: {failures: 0, slow: 0}\ncanary: {failures: 0, slow: 0}\n", encoding="utf-8"
    )
    with pytest.raises(BadScenario, match=r"wrong\.yaml:3: rate_per_s"):
        run_file(wrong, POLICY)
