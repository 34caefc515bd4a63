"""What the charts draw: the run cut into equal slices of about a second, and the gate's looks. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from drill.checks import Facts
from drill.lanes import Lane
from drill.samples import Response
from drill.statistics import percentile

SLICES_MAX = 240


def series(facts: Facts) -> dict[str, Any]:
    """All `t_s` count from the request of the rollout, as in the timeline."""
    if not facts.responses:
        return {"slice_s": 1.0, "lanes": [], "evidence": [], "weights": []}
    zero_s = facts.moments.rollout_requested or facts.responses[0].done_s
    span_s = facts.responses[-1].done_s - facts.responses[0].done_s
    slice_s = max(1.0, round(span_s / SLICES_MAX + 0.5))
    return {
        "slice_s": slice_s,
        "lanes": _lanes(facts, zero_s, slice_s),
        "evidence": [
            {"t_s": round(look.at_s - zero_s, 3), "evidence": look.evidence, "verdict": look.verdict} for look in facts.decisions.looks
        ],
        "weights": [{"t_s": round(shift.at_s - zero_s, 3), "weight_pct": shift.weight_pct} for shift in facts.decisions.shifts],
    }


def _lanes(facts: Facts, zero_s: float, slice_s: float) -> list[dict[str, Any]]:
    cells: dict[tuple[int, Lane], list[Response]] = defaultdict(list)
    for response, lane in zip(facts.responses, facts.lanes, strict=True):
        cells[int((response.done_s - zero_s) // slice_s), lane].append(response)
    first_s, last_s = (facts.responses[end].done_s - zero_s for end in (0, -1))

    def measured_s(number: int) -> float:
        """The first and the last slice are not measured whole."""
        return max(0.2, min(last_s, (number + 1) * slice_s) - max(first_s, number * slice_s))

    return [_cell(number * slice_s, lane, cells[number, lane], measured_s(number)) for number, lane in sorted(cells)]


def _cell(t_s: float, lane: Lane, responses: list[Response], measured_s: float) -> dict[str, Any]:
    failed = sum(response.failed for response in responses)
    return {
        "t_s": round(t_s, 3),
        "lane": lane,
        "ok_per_s": round((len(responses) - failed) / measured_s, 3),
        "failed_per_s": round(failed / measured_s, 3),
        "p95_ms": round(percentile(sorted(response.latency_ms for response in responses), 95), 1),
    }
