"""Facts of a run -> report.json, as DESIGN.md §6 names its fields. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from drill import checks
from drill.checks import Facts
from drill.lanes import Lane
from drill.orders import OrderCheck
from drill.report.series import series
from drill.report.timeline import timeline
from drill.samples import Response
from drill.scenario import Drill
from drill.statistics import percentile
from release.ledger import Entry

Report = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What the story knows and the measurements do not."""

    run: str
    runtime: str
    baseline: str
    canary: str
    revision: str
    built_anew: bool  # False: this digest was there from an earlier run, and was verified again
    machine: Mapping[str, Any]
    setup_s: float | None  # what `make` did before
    run_s: float
    entries: Sequence[Entry]
    fail_at: float  # the evidence, to one, at which the gate says FAIL


def fold(drill: Drill, facts: Facts, context: Context) -> Report:
    every = checks.every(facts)
    scenario = facts.scenario
    return {
        "run": context.run,
        "scenario": drill.name,
        "title": scenario.title,
        "hypothesis": scenario.hypothesis.strip(),
        "outcome": checks.outcome(every),
        "runtime": context.runtime,
        "baseline": context.baseline,
        "canary": context.canary,
        "revision": context.revision,
        "built_anew": context.built_anew,
        "patch": scenario.release.patch,
        "policy": scenario.policy or "pipeline/policy.yaml",
        "seed": scenario.load.seed,
        "load": scenario.load.model_dump(),
        "times": facts.times.as_dict(),
        "budgets": scenario.budgets.model_dump(),
        "moments_s": asdict(facts.moments),
        "impact": impact(facts),
        "rollout": {
            "outcome": facts.decisions.outcome,
            "reason": facts.decisions.reason,
            "weight_pct_max": facts.decisions.weight_pct_max,
        },
        "gate": gate(facts, context.fail_at),
        "flag": scenario.flag.model_dump() if scenario.flag else None,
        "cure": asdict(facts.cured) if facts.cured else None,
        "steps": [asdict(step) for step in facts.steps],
        "orders": _orders(facts.orders),
        "client": asdict(facts.client) if facts.client else None,
        "checks": [asdict(check) for check in every],
        "timeline": timeline(facts, context.entries, context.canary),
        "series": series(facts),
        "slo": asdict(facts.slo),
        "confirm_s": scenario.confirm_s,
        "machine": dict(context.machine),
        "setup_s": context.setup_s,
        "run_s": round(context.run_s, 3),
        "reproduce": reproduce(drill, scenario.load.seed),
    }


def impact(facts: Facts) -> dict[str, Any]:
    """All that users got during the drill. `failed_requests`: of any lane; `users_harmed`: by the canary, or by what nobody owns."""
    everything = facts.responses
    return {
        "requests": len(everything),
        "failed_requests": sum(response.failed for response in everything),
        "slow_requests": sum(response.latency_ms >= facts.slo.slow_ms for response in facts.of("canary")),
        "users_harmed": checks.users_harmed(facts),
        "users": len({response.user for response in everything}),
        "canary_users": len({response.user for response in facts.of("canary")}),
        "lanes": {lane: _lane(facts.of(lane), facts.slo.slow_ms) for lane in _LANES},
    }


_LANES: tuple[Lane, ...] = ("baseline", "canary", "edge")


def _lane(responses: Sequence[Response], slow_ms: float) -> dict[str, Any]:
    ranked = sorted(response.latency_ms for response in responses)
    return {
        "requests": len(responses),
        "failed": sum(response.failed for response in responses),
        "errors": dict(Counter(response.error or str(response.status) for response in responses if response.failed).most_common()),
        "slow": sum(response.latency_ms >= slow_ms for response in responses),
        "latency_ms_p50": round(percentile(ranked, 50), 1) if ranked else None,
        "latency_ms_p95": round(percentile(ranked, 95), 1) if ranked else None,
    }


def gate(facts: Facts, fail_at: float) -> dict[str, Any]:
    """The look that decided: the first FAIL, else the last one."""
    look = facts.decisions.verdict
    if look is None:
        return {"verdict": None, "looks": 0, "fail_at": fail_at}
    return {
        "verdict": look.verdict,
        "evidence": look.evidence,
        "fail_at": fail_at,
        "reasons": list(look.reasons),
        "health": dict(look.health),
        "weight_pct": look.weight_pct,
        "samples": dict(look.totals),
        "canary_requests": int(look.totals["failures"]["canary"]["requests"]),
        "looks": len(facts.decisions.looks),
    }


def _orders(orders: OrderCheck | None) -> dict[str, Any] | None:
    return asdict(orders) | {"held": orders.held} if orders else None


def reproduce(drill: Drill, seed: int) -> str:
    inside = drill.path.parent.name == "scenarios" and drill.path.parent.parent.name == "drills"
    return f".venv/bin/drill run {drill.name if inside else drill.path} --seed {seed}"
