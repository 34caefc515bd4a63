"""Several runs in one picture: every sample is a dot."""

from __future__ import annotations

from drill.report.charts import ACCENT, INK, WIDTH, Spec


def spread(times: dict[str, list[float]]) -> Spec:
    """One row per time; `times` holds each one's samples in seconds."""
    values = [{"time": name.removesuffix("_s"), "s": sample} for name, samples in times.items() for sample in samples]
    order = [name.removesuffix("_s") for name in times]
    axis = {
        "values": [0.001, 0.01, 0.1, 1, 10, 100, 1000],
        "labelExpr": "datum.value < 1 ? datum.value * 1000 + ' ms' : datum.value + ' s'",
    }
    return {
        "width": WIDTH - 80,
        "height": {"step": 34},
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.55, "color": ACCENT}},
            {
                "mark": {"type": "tick", "thickness": 2.5, "size": 22, "color": INK},
                "encoding": {"x": {"aggregate": "median", "field": "s", "type": "quantitative"}},
            },
        ],
        "encoding": {
            "y": {"field": "time", "type": "nominal", "sort": order, "title": None, "axis": {"grid": True, "minExtent": 64}},
            "x": {
                "field": "s",
                "type": "quantitative",
                "title": "the bar is the median; logarithmic",
                "scale": {"type": "log"},
                "axis": axis,
            },
        },
    }
