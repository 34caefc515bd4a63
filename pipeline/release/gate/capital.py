"""Evidence against a release: money bet on "this release is worse than healthy".

While the release is healthy no bet has a positive expectation, so the money is a nonnegative supermartingale, and by
Ville's inequality it ever reaches 1/alpha times its start with probability at most alpha. That holds for every rule
of placing bets that looks at the past only, and for every number of looks.

A bet is settled per block, on the block's mean bad share, with a bounded stake. It needs no more than the mean: it
stays fair where bad answers come in clusters (a client's retries, a stalled process) within a block, which breaks a
test that counts single requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from release.policy import Indicator
from release.telemetry import Lanes, Tally

STAKES = (1, 1 / 3, 1 / 9, 1 / 27)  # parts of the largest stake: big ones find big bugs in seconds, small ones small bugs
STEP_PART = 0.5  # of the reserve, put to work when a step begins
BLOCK_PART = 0.01  # and with each block: a bug that starts late must be found as fast
MOST = 1e300  # money has a bound, so that sums and products stay finite


@dataclass(frozen=True)
class Capital:
    """`reserve` is not at risk; `bets` is the money on each of STAKES."""

    reserve: float
    bets: tuple[float, ...] = (0.0,) * len(STAKES)

    @property
    def wealth(self) -> float:
        return min(self.reserve + sum(self.bets), MOST)

    def invest(self, part: float) -> Capital:
        """Move this part of the reserve into all bets alike."""
        moved = self.reserve * part
        return Capital(self.reserve - moved, tuple(bet + moved / len(self.bets) for bet in self.bets))

    def settle(self, factors: Sequence[float]) -> Capital:
        """Multiply each bet by its factor; the expectation of each is at most 1 while the release is healthy."""
        return Capital(self.reserve, tuple(min(bet * factor, MOST) for bet, factor in zip(self.bets, factors, strict=True)))


def against_baseline(block: Lanes, rule: Indicator, expected_share: float, least_bad: float = 0.0) -> list[float]:
    """One factor per stake for a block with n canary requests, k bad, and m baseline requests, l bad; n and m above 0.

    Healthy: p_canary <= rel * p_baseline + tol. With a stake s and v = s * rel / m a factor is one of

        (1 + s (k/n - tol)) * (1 - v)^l                 where v <= 0.9
        (1 + s (k/n - tol)) / (1 + v max(l + 1, m p))   else

    E[1 + s (k/n - tol)] <= 1 + s rel p_baseline <= exp(s rel p_baseline). First form: E[(1 - v)^l] = (1 - v p_baseline)^m
    <= exp(-s rel p_baseline). Second: E[1 / (1 + v (l + 1))] <= 1 / (1 + s rel p_baseline) for a binomial l. So both have
    expectation at most 1. Their choice and the size of s depend on `expected_share` p, the baseline's bad share in
    earlier blocks: no look at this block's outcome. `least_bad`: l counts as at least so many, which only lowers a factor.
    """
    n, m = block.canary.requests, block.baseline.requests
    expected = m * expected_share
    largest = min(
        100 * n,
        0.5 / rule.tolerance,
        2 / (rule.tolerance + rule.relative * expected_share),
        2 * m / rule.relative * max(1.0, expected),
    )
    excess, bad = block.canary.bad / n - rule.tolerance, max(block.baseline.bad, least_bad)
    return [(1 + part * largest * excess) * _discount(part * largest * rule.relative / m, bad, expected) for part in STAKES]


def _discount(v: float, bad: float, expected: float) -> float:
    """What the baseline's own bad answers take off a factor."""
    if v <= 0.9 and -expected * math.log1p(-v) < math.log1p(v * (expected + 1)):
        return float((1 - v) ** bad)
    return 1 / (1 + v * max(bad + 1, expected))


def against_limit(block: Tally, limit: float) -> list[float]:
    """One factor per stake where there is no baseline: 1 + s (k/n - limit), fair as long as the mean bad share is within `limit`.

    The largest stake is 1 / (5 limit): one block in which everything is bad multiplies a bet by 6 at most at a limit
    of 20 %, by 21 at 1 %. Four stakes share the money, so no burst within two blocks can bring 1 to 100 on its own.
    """
    excess = block.bad / block.requests - limit
    return [1 + part * excess * 0.2 / limit for part in STAKES]
