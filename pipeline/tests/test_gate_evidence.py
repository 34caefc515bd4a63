"""The arithmetic of the gate: no bet wins on average against a healthy release. Exact sums over binomials, no chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from release import policy
from release.gate import health
from release.gate.capital import MOST, STAKES, Capital, against_baseline, against_limit
from release.policy import Indicator
from release.telemetry import Lanes, Tally

RULES = policy.read(Path(__file__).parents[1] / "policy.yaml").gate.indicators
BOTH = pytest.mark.parametrize("rule", [RULES.failures, RULES.slow], ids=["failures", "slow"])
ROUNDING = 1e-9


def chances(requests: int, share: float) -> Iterator[tuple[int, float]]:
    """Each number of bad answers that is not absurdly rare, and its chance."""
    for bad in range(requests + 1):
        chance = math.comb(requests, bad) * share**bad * (1 - share) ** (requests - bad)
        if chance > 1e-15:
            yield bad, chance


def expectations(rule: Indicator, n: int, m: int, p_baseline: float, expected_share: float) -> list[float]:
    """Of each factor, at the boundary of healthy."""
    p_canary = rule.relative * p_baseline + rule.tolerance
    sums = [0.0] * len(STAKES)
    for (k, of_k), (b, of_b) in product(chances(n, p_canary), chances(m, p_baseline)):
        factors = against_baseline(Lanes(Tally(n, k), Tally(m, b)), rule, expected_share)
        sums = [total + of_k * of_b * factor for total, factor in zip(sums, factors, strict=True)]
    return sums


@BOTH
@pytest.mark.parametrize("expected_share", [0.0002, 0.03, 0.4])
def test_no_bet_against_a_healthy_release_wins_on_average(rule: Indicator, expected_share: float) -> None:
    for n, m, p_baseline in product((1, 7, 30), (1, 9, 40), (0.0, 0.001, 0.03, 0.3, 0.7)):
        assert max(expectations(rule, n, m, p_baseline, expected_share)) <= 1 + ROUNDING, (n, m, p_baseline)


@BOTH
def test_bets_against_an_unhealthy_release_do_win(rule: Indicator) -> None:
    found = Lanes(Tally(10, 5), Tally(500, int(250 * rule.slo_bad_share)))
    assert min(against_baseline(found, rule, rule.slo_bad_share / 2)) > 1


@BOTH
@pytest.mark.parametrize("least_bad", [0.0, 0.3, 1.7, 9.0])
def test_a_baseline_that_counts_as_worse_makes_no_bet_better(rule: Indicator, least_bad: float) -> None:
    for (canary_bad, baseline_bad), share in product(((0, 0), (1, 0), (10, 2), (30, 9)), (0.001, 0.05, 0.4)):
        block = Lanes(Tally(90, canary_bad), Tally(10, baseline_bad))
        plain, merciful = against_baseline(block, rule, share), against_baseline(block, rule, share, least_bad)
        assert all(less <= more for less, more in zip(merciful, plain, strict=True))


@BOTH
def test_one_bad_answer_alone_is_no_proof(rule: Indicator) -> None:
    """Stakes are bounded by the number of answers, and at 100 % by the limit."""
    assert max(against_baseline(Lanes(Tally(1, 1), Tally(10_000, 0)), rule, 0.0)) <= 101
    assert max(against_limit(Tally(120, 120), rule.slo_bad_share)) <= 1 + 0.2 / rule.slo_bad_share


def test_the_largest_stake_is_fair_where_bad_answers_come_all_at_once() -> None:
    """A pessimist's cluster: all n answers of a block are bad together, or none."""
    rule, n, m = RULES.failures, 30, 60
    p_baseline = 0.02
    p_canary = rule.relative * p_baseline + rule.tolerance
    mean = 0.0
    for (k, of_k), (b, of_b) in product(((n, p_canary), (0, 1 - p_canary)), chances(m, p_baseline)):
        mean += of_k * of_b * against_baseline(Lanes(Tally(n, k), Tally(m, b)), rule, 0.02)[0]
    assert mean <= 1 + ROUNDING


@BOTH
def test_no_bet_against_a_release_at_its_limit_wins_on_average(rule: Indicator) -> None:
    n, limit = 40, rule.slo_bad_share
    for stake in range(len(STAKES)):
        mean = sum(chance * against_limit(Tally(n, k), limit)[stake] for k, chance in chances(n, limit))
        assert mean == pytest.approx(1)


@BOTH
@pytest.mark.parametrize("next_share", [0.02, 0.1, 0.5, 1.0])
def test_no_evidence_of_health_on_average_at_the_limit(rule: Indicator, next_share: float) -> None:
    limit = health.limit_at(next_share, rule)
    for n, m, p_baseline in product((1, 8, 30), (1, 30), (0.0, 0.01, 0.3)):
        p_canary = limit + rule.relative * p_baseline
        if p_canary > 1:
            continue
        mean = sum(
            of_k * of_b * health.to_one(health.add(health.NO_EVIDENCE, Lanes(Tally(n, k), Tally(m, b)), rule, limit))
            for (k, of_k), (b, of_b) in product(chances(n, p_canary), chances(m, p_baseline))
        )
        assert mean <= 1 + ROUNDING, (n, m, p_baseline)


def test_a_limit_beyond_everything_is_no_error() -> None:
    """2 % of budget for the hundredth part of the users would be a limit of 200 %."""
    assert health.limit_at(0.01, RULES.slow) == 1
    assert health.to_one(health.add(health.NO_EVIDENCE, Lanes(Tally(5, 0), Tally(5, 5)), RULES.slow, 1.0)) > 1


def test_investing_moves_money_and_makes_none() -> None:
    capital = Capital(0.75)
    for part in (0.5, 0.01, 1.0):
        capital = capital.invest(part)
        assert capital.wealth == pytest.approx(0.75)
    assert capital.reserve == 0


def test_money_has_a_bound() -> None:
    capital = Capital(0.0, (MOST,) * len(STAKES)).settle([1e9] * len(STAKES))
    assert capital.wealth == MOST


@pytest.mark.parametrize(("bad", "beyond"), [(0, False), (7, False), (8, True)])
def test_a_lane_is_beyond_its_slo_when_chance_does_not_explain_it(bad: int, beyond: bool) -> None:
    assert health.beyond_slo(Tally(120, bad), 0.01) is beyond  # 1.2 + 3 * 1.095 + 3 = 7.49


def test_within_a_limit_says_how_surely_a_release_at_the_limit_would_have_shown() -> None:
    assert health.within_limit(Tally(0, 0), 0.01) == 1
    assert health.within_limit(Tally(298, 0), 0.01) == pytest.approx(0.99**-298)
    assert health.within_limit(Tally(298, 3), 0.01) == 0
