"""Several runs: n, min, median, p90, max and each sample. Means mislead for incident times (Google, *Incident Metrics in SRE*, 2021)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    n: int
    min: float
    median: float
    p90: float
    max: float
    samples: tuple[float, ...]  # in the order of the runs


def summary(samples: Sequence[float | None]) -> Summary | None:
    """None where no run had this time. p90 is the smallest sample that at least nine in ten do not exceed (nearest rank)."""
    known = [sample for sample in samples if sample is not None]
    if not known:
        return None
    ranked = sorted(known)
    return Summary(len(known), ranked[0], statistics.median(ranked), percentile(ranked, 90), ranked[-1], tuple(known))


def percentile(ranked: Sequence[float], pct: float) -> float:
    """Nearest rank; `ranked` is sorted and not empty."""
    return ranked[max(0, math.ceil(len(ranked) * pct / 100) - 1)]
