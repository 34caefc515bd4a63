"""`release gate simulate FILE`: rollouts of an imagined release through the real gate and the real policy. Pure and seeded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Annotated, Literal

from pydantic import Field, model_validator

from release import gate
from release.errors import BadScenario
from release.gate import Verdict
from release.policy import Policy, Seconds, Wait
from release.telemetry import Lanes, Sample, Tally
from release.yamlfile import Frozen, load

Part = Annotated[float, Field(ge=0, le=1)]


class Bad(Frozen):
    """Shares of all answers."""

    failures: Part
    slow: Part
    client: Part = 0

    def by_indicator(self) -> Mapping[str, float]:
        return dict(self)


class Disturbance(Frozen):
    """What hits both lanes alike, from `at_s` on (seconds since the canary's first user), again `every_s` if that is given."""

    at_s: Seconds
    lasting_s: Wait
    every_s: Wait | None = None
    more: Bad

    @model_validator(mode="after")
    def _ends_before_the_next(self) -> Disturbance:
        if self.every_s is not None and self.every_s <= self.lasting_s:
            raise ValueError(f"every_s ({self.every_s:g}) must be longer than lasting_s ({self.lasting_s:g})")
        return self

    def covers(self, at_s: float) -> bool:
        since_s = at_s - self.at_s
        return since_s >= 0 and (since_s % self.every_s if self.every_s else since_s) < self.lasting_s


class Spec(Frozen):
    rollouts: Annotated[int, Field(ge=1, le=100_000)]
    seed: int
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)]
    baseline: Bad
    canary: Bad
    cluster: Annotated[int, Field(ge=1, le=100)] = 1
    disturbances: tuple[Disturbance, ...] = ()


@dataclass(frozen=True)
class Rollout:
    """How one rollout ended, and after how much."""

    outcome: Literal["promoted", "rolled_back", "held"]
    weight_pct: int
    seconds: float  # since the canary's first user
    canary_requests: int
    harmed: int  # bad answers of the canary, by any indicator


def run_file(path: Path, policy: Policy) -> dict[str, object]:
    """Raises BadScenario with file, line and field."""
    spec = load(path, Spec, BadScenario)
    return summary(spec, policy, simulate(spec, policy))


def simulate(spec: Spec, policy: Policy) -> list[Rollout]:
    """Each rollout has its own seed: more of them do not change the first ones."""
    return [roll_out(spec, policy, Random(f"{spec.seed}/{number}")) for number in range(spec.rollouts)]


def roll_out(spec: Spec, policy: Policy, random: Random) -> Rollout:
    """Steps like the engine's: leave one at PASS after its bake_s, end at FAIL, or at hold_max_s without proof."""
    state, at_s, requests, harmed = gate.start(policy), 0.0, 0, 0
    nexts = [later.weight_pct / 100 for _, later in pairwise(policy.steps)]
    for step, next_share in zip(policy.steps, [*nexts, None], strict=True):
        state = gate.start_step(state, policy, next_share or 1.0)
        judge = gate.look if next_share else gate.watch_slo
        begun_s, verdict = at_s, Verdict.INCONCLUSIVE
        while verdict is not Verdict.PASS or at_s - begun_s < step.bake_s:
            sample = draw(spec, step.weight_pct / 100, at_s, at_s + policy.gate.block_s, random)
            at_s = sample.to_s
            requests += sample.failures.canary.requests
            harmed += sum(lanes.canary.bad for lanes in sample.indicators.values())
            state, evidence = judge(state, policy, sample)
            verdict = evidence.verdict if evidence else Verdict.INCONCLUSIVE
            if verdict is Verdict.FAIL:
                return Rollout("rolled_back", step.weight_pct, at_s, requests, harmed)
            if verdict is not Verdict.PASS and at_s - begun_s >= step.hold_max_s:
                return Rollout("held", step.weight_pct, at_s, requests, harmed)
    return Rollout("promoted", 100, at_s, requests, harmed)


def draw(spec: Spec, share: float, from_s: float, to_s: float, random: Random) -> Sample:
    """Counts of one window: a constant rate of arrivals, each in the canary's lane with probability `share`."""
    total = int(to_s * spec.rate_per_s) - int(from_s * spec.rate_per_s)
    canary = binomial(random, total, share)
    more = [disturbance.more.by_indicator() for disturbance in spec.disturbances if disturbance.covers(from_s)]
    baseline_shares = spec.baseline.by_indicator()
    lanes = {
        name: Lanes(
            _tally(spec, canary, share, [one[name] for one in more], random),
            _tally(spec, total - canary, baseline_shares[name], [one[name] for one in more], random),
        )
        for name, share in spec.canary.by_indicator().items()
    }
    return Sample(from_s, to_s, **lanes, canary_active=0)


def _tally(spec: Spec, requests: int, own: float, more: Sequence[float], random: Random) -> Tally:
    """Bad answers come `cluster` at a time, as when clients retry."""
    share = 1 - (1 - own) * math.prod(1 - part for part in more)
    bad = spec.cluster * binomial(random, requests, share / spec.cluster)
    return Tally(requests, min(bad, requests))


def binomial(random: Random, trials: int, chance: float) -> int:
    """Jumps from success to success, so small chances take little time. The gaps are geometric: Devroye 1986, chapter X.4.3."""
    if chance > 0.5:
        return trials - binomial(random, trials, 1 - chance)
    if chance <= 0:
        return 0
    scale, place, successes = math.log1p(-chance), 0, 0
    while True:
        place += 1 + int(math.log(1 - random.random()) / scale)
        if place > trials:
            return successes
        successes += 1


def summary(spec: Spec, policy: Policy, rollouts: Sequence[Rollout]) -> dict[str, object]:
    """Shares of each outcome; and for those that ended so: seconds, the canary's requests and its bad answers."""
    kinds = ("rolled_back", "promoted", "held")
    return {
        "rollouts": len(rollouts),
        "seed": spec.seed,
        "false_alarm_share_allowed": policy.gate.false_alarm_share,
        **{kind: _describe([one for one in rollouts if one.outcome == kind], len(rollouts)) for kind in kinds},
    }


def _describe(rollouts: Sequence[Rollout], of: int) -> dict[str, object]:
    if not rollouts:
        return {"share": 0.0}
    return {
        "share": len(rollouts) / of,
        "seconds": _spread([one.seconds for one in rollouts]),
        "canary_requests": _spread([one.canary_requests for one in rollouts]),
        "harmed_requests": _spread([one.harmed for one in rollouts]),
        "at_weight_pct": {str(pct): sum(one.weight_pct == pct for one in rollouts) for pct in sorted({one.weight_pct for one in rollouts})},
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    p90 = quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"median": median(values), "p90": round(p90, 1), "max": max(values)}
