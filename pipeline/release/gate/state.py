"""What the gate remembers between two looks, and what a look answers. Plain values: they go to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from release.gate.capital import Capital
from release.gate.health import NO_EVIDENCE, Logs
from release.telemetry import Lanes, Sample, Tally

NOTHING = Tally(0, 0)
NO_LANES = Lanes(NOTHING, NOTHING)
NO_SAMPLE = Sample(0, 0, NO_LANES, NO_LANES, NO_LANES, 0)


class Verdict(StrEnum):
    PASS = "PASS"  # noqa: S105  proof that the next step's users are safe
    FAIL = "FAIL"  # proof that the release is not healthy
    INCONCLUSIVE = "INCONCLUSIVE"  # neither: hold


@dataclass(frozen=True)
class IndicatorState:
    capital: Capital
    health: Logs = NO_EVIDENCE  # restarts with each step
    calm_baseline: Tally = NOTHING  # the baseline's blocks within its SLO
    loaded_baseline: Tally = NOTHING  # its blocks in which it carried more than the canary
    ill: bool = False  # the baseline itself was beyond its SLO in the last block
    watch_limit: float | None = None  # of the mean bad share, once it serves everyone

    @property
    def expected_share(self) -> float:
        """The baseline's bad share so far; never 0."""
        return (self.calm_baseline.bad + 0.5) / (self.calm_baseline.requests + 500)


@dataclass(frozen=True)
class Stall:
    """The canary has requests in flight and answers none."""

    since_s: float
    baseline_answers: int


@dataclass(frozen=True)
class GateState:
    indicators: Mapping[str, IndicatorState]
    next_share: float | None = None  # of users at risk next; None outside a step
    open: Sample | None = None  # the block that is not complete yet
    totals: Sample | None = None  # since the canary's first user
    watched: Sample | None = None  # complete blocks at 100 %
    told_s: float | None = None  # end of the last window that gave Evidence
    stall: Stall | None = None

    @property
    def evidence(self) -> float:
        return sum(indicator.capital.wealth for indicator in self.indicators.values())


@dataclass(frozen=True)
class Evidence:
    """A look's answer.

    `evidence`: how many to one against a healthy release (1 at the start). `health`: per indicator, how many to one for
    what the step must prove. `sample`: the block that was judged. `totals`: since the canary's first user.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    evidence: float
    health: Mapping[str, float]
    sample: Sample
    totals: Sample

    def as_data(self) -> dict[str, Any]:
        """For the ledger: plain values only."""
        return {
            "verdict": self.verdict.value,
            "reasons": self.reasons,
            "evidence": self.evidence,
            "health": dict(self.health),
            "sample": asdict(self.sample),
            "totals": asdict(self.totals),
        }
