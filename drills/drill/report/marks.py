"""Where the moments stand in the charts: close ones share a label, and labels keep out of each other's way. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

NAMES = {
    "first_user": "first users",
    "impact_started": "impact starts",
    "detected": "verdict",
    "mitigated": "mitigated",
    "recovered": "recovered",
}
TOGETHER_SHARE = 0.02  # of the whole time: closer than this they are one mark
ROW_SHARE = 0.16  # a label needs this much room, or it goes into the other row


def marks(report: dict[str, Any], span: tuple[float, float]) -> list[dict[str, Any]]:
    """`t_s`, `label`, `row` (0 is nearer to the chart) and `align` per mark."""
    moments = report["moments_s"]
    zero_s, width_s = moments["rollout_requested"], span[1] - span[0]
    if zero_s is None:
        return []
    groups: list[tuple[float, list[str]]] = []
    for at_s, name in sorted([*_moments(moments, zero_s), *_steps(report["series"]["weights"])]):
        if groups and at_s - groups[-1][0] < TOGETHER_SHARE * width_s:
            groups[-1][1].append(name)
        else:
            groups.append((at_s, [name]))
    return _placed(groups, span)


def _moments(moments: dict[str, float | None], zero_s: float) -> list[tuple[float, str]]:
    """A chance failure of a release that was never taken back is no impact that anybody recovers from."""
    names = NAMES if moments["mitigated"] is not None else {"first_user": NAMES["first_user"]}
    return [(at_s - zero_s, word) for name, word in names.items() if (at_s := moments[name]) is not None]


def _steps(weights: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """The steps after the first one. The last shift of a promotion changes names, not shares."""
    up = [(before, shift) for before, shift in pairwise(weights) if shift["weight_pct"] > before["weight_pct"] > 0]
    return [(shift["t_s"], f"{shift['weight_pct']} %") for _, shift in up]


def _placed(groups: list[tuple[float, list[str]]], span: tuple[float, float]) -> list[dict[str, Any]]:
    width_s = span[1] - span[0]
    placed: list[dict[str, Any]] = []
    for at_s, names in groups:
        near = placed and at_s - placed[-1]["t_s"] < ROW_SHARE * width_s
        row = 1 - placed[-1]["row"] if near else 0
        align = "right" if at_s > span[0] + 0.72 * width_s else "left"
        placed.append({"t_s": round(at_s, 3), "label": ", ".join(names), "row": row, "align": align})
    return placed
