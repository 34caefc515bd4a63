"""What a rollout may do: frozen values read from policy.yaml. Nothing here acts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from release.errors import BadPolicy
from release.yamlfile import Frozen, load

Share = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Wait = Annotated[float, Field(gt=0, le=86_400)]


class Indicator(Frozen):
    """One service level indicator: what share of answers is bad, and how the gate compares two lanes by it.

    Healthy means p_canary <= relative * p_baseline + tolerance. Before traffic goes to share x the gate wants proof of
    p_canary < relative * p_baseline + budget / x. Source: docs in gate.py.
    """

    slo_bad_share: Share
    capital: Annotated[float, Field(gt=0, le=1)]
    relative: Annotated[float, Field(ge=1, le=10)]
    tolerance: Share
    budget: Share


class Indicators(Frozen):
    failures: Indicator
    slow: Indicator
    client: Indicator

    def by_name(self) -> Mapping[str, Indicator]:
        return dict(self)

    @model_validator(mode="after")
    def _capital_is_one(self) -> Indicators:
        total = sum(indicator.capital for indicator in self.by_name().values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the capitals of all indicators must sum to 1, these sum to {total:g}")
        return self


class GatePolicy(Frozen):
    false_alarm_share: Annotated[float, Field(gt=0, le=0.2)]
    missed_limit_share: Annotated[float, Field(gt=0, le=0.2)]
    slow_ms: Annotated[int, Field(ge=1, le=5000)]
    reads: Literal["edge", "prometheus"] = "edge"
    block_s: Wait
    block_requests: Annotated[int, Field(ge=1)]
    block_canary_requests: Annotated[int, Field(ge=1)]
    indicators: Indicators

    @field_validator("slow_ms")
    @classmethod
    def _the_edge_can_count_it(cls, slow_ms: int) -> int:
        if len(str(slow_ms).rstrip("0")) > 2:
            raise ValueError("at most two digits that are not zero at the end, like 250 or 1200: the edge counts times in such steps")
        return slow_ms


class Step(Frozen):
    weight_pct: Annotated[int, Field(ge=1, le=100)]
    bake_s: Seconds
    hold_max_s: Wait

    @model_validator(mode="after")
    def _bake_fits(self) -> Step:
        if self.bake_s >= self.hold_max_s:
            raise ValueError(f"hold_max_s ({self.hold_max_s:g}) must be longer than bake_s ({self.bake_s:g})")
        return self


class Limits(Frozen):
    """Bounds of every wait. Units last."""

    start_s: Wait
    smoke_s: Wait
    drain_s: Wait
    stop_s: Wait
    telemetry_silence_s: Wait
    hang_s: Wait


class RuntimePolicy(Frozen):
    instances: Annotated[int, Field(ge=1, le=8)]
    pinned_releases: Annotated[int, Field(ge=1, le=5)]
    warm_up_requests: Annotated[int, Field(ge=0, le=10_000)]


class WebPolicy(Frozen):
    """How the SPA's documents move: with the API's weights, or all of them with the last step."""

    switch: Literal["weighted", "at_once"] = "weighted"


class FlagsPolicy(Frozen):
    """What a rollout may do with flags. Source of `false_kill_share`: docs in gate/attribution.py."""

    kill_first: bool = False
    false_kill_share: Share = 0.05
    answer_s: Annotated[float, Field(gt=0, le=10)] = 2.0


class Needed(Frozen):
    """How many people must say yes."""

    contract: Annotated[int, Field(ge=0, le=9)] = 2
    policy: Annotated[int, Field(ge=0, le=9)] = 2


class ApprovalsPolicy(Needed):
    """`free`: environments where nothing is at stake, and nobody is asked."""

    free: tuple[str, ...] = ("local", "containers", "staging")

    def needed(self, environment: str) -> Needed:
        return Needed(contract=0, policy=0) if environment in self.free else Needed(contract=self.contract, policy=self.policy)


class Policy(Frozen):
    gate: GatePolicy
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)]
    limits: Limits
    runtime: RuntimePolicy
    web: WebPolicy = WebPolicy()
    flags: FlagsPolicy = FlagsPolicy()
    approvals: ApprovalsPolicy = ApprovalsPolicy()

    @property
    def fingerprint(self) -> str:
        """Of its values: a comment changes nothing."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    @model_validator(mode="after")
    def _steps_climb_to_everyone(self) -> Policy:
        weights = [step.weight_pct for step in self.steps]
        if any(low >= high for low, high in pairwise(weights)):
            raise ValueError(f"steps: weights must grow from step to step, these are {weights}")
        if weights[-1] != 100:
            raise ValueError(f"steps: the last weight must be 100, it is {weights[-1]}")
        return self


def read(path: Path) -> Policy:
    """Raises BadPolicy with file, line, field and what is allowed."""
    return load(path, Policy, BadPolicy)
