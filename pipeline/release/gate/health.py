"""Evidence for a release: before the traffic goes to share x of the users, proof that few of them would be harmed.

The hypothesis to refute is p_canary >= rel * p_baseline + budget / x. The more users the next step risks, the stronger
the proof; so the time at a step follows from traffic and evidence, not from a clock. Under that hypothesis, for b = 1 - a
and c = 1 - b limit, and a block with n canary requests, k bad, and m baseline requests, l bad,

    a^k c^-n (1 + rel b n / (m c))^l

has expectation at most 1: E[a^k] = (1 - b p_canary)^n <= c^n (1 - b rel p_baseline / c)^n <= c^n exp(-b rel n p_baseline / c),
and E[(1 + y)^l] <= exp(m y p_baseline). It grows fastest if the canary's bad share is the part a of the limit, so several
values of a share one mixture. This side assumes that bad answers are independent: where they come in clusters, a release
at the limit passes more often than `missed_limit_share`.
"""

from __future__ import annotations

import math

from release.gate.capital import MOST
from release.policy import Indicator
from release.telemetry import Lanes, Tally

Logs = tuple[float, ...]

PARTS = (0.02, 0.2, 0.5, 0.8)
NO_EVIDENCE: Logs = (0.0,) * len(PARTS)


def limit_at(next_share: float, rule: Indicator) -> float:
    """The bad share, above what the baseline explains, that must be ruled out before `next_share` of the users are at risk."""
    return min(rule.budget / next_share, 1.0)


def add(logs: Logs, block: Lanes, rule: Indicator, limit: float) -> Logs:
    """The logarithms of the mixture's parts after one more block, in which both lanes had requests."""
    n, m = block.canary.requests, block.baseline.requests
    return tuple(log + _log_factor(part, block, rule.relative * n / m, limit) for log, part in zip(logs, PARTS, strict=True))


def _log_factor(part: float, block: Lanes, weight: float, limit: float) -> float:
    canary, baseline = block.canary, block.baseline
    c = 1 - (1 - part) * limit
    return canary.bad * math.log(part) - canary.requests * math.log(c) + baseline.bad * math.log1p(weight * (1 - part) / c)


def to_one(logs: Logs) -> float:
    """How many to one against "beyond the limit"; 1 is no evidence."""
    return min(sum(math.exp(min(log, 680.0)) for log in logs) / len(logs), MOST)


def beyond_slo(tally: Tally, slo_bad_share: float) -> bool:
    """More bad answers than an SLO-abiding lane shows by chance: mean, three standard deviations, and three."""
    expected = slo_bad_share * tally.requests
    return tally.bad > expected + 3 * math.sqrt(expected) + 3


def within_limit(tally: Tally, limit: float) -> float:
    """How many to one that a release at `limit` would have shown at least one bad answer in so many; 0 if it is beyond it."""
    if tally.bad > limit * tally.requests:
        return 0.0
    return math.exp(min(-tally.requests * math.log1p(-limit), 680.0))
