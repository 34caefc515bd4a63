"""Vega-Lite specifications, and their SVG. Colours are CSS variables of the page, so one drawing fits light and dark."""

from __future__ import annotations

import math
from typing import Any

import vl_convert

from drill.report.marks import marks

WIDTH = 860
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
BASELINE, CANARY, BAD, INK, FAINT, GRID, ACCENT = (
    f"var(--{name})" for name in ("baseline", "canary", "bad", "ink", "faint", "grid", "accent")
)

LABEL_HEIGHT = 17

Spec = dict[str, Any]

CONFIG: Spec = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": FAINT,
        "titleColor": FAINT,
        "gridColor": GRID,
        "domain": False,
        "ticks": False,
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "minExtent": 42,
    },
    "title": {
        "color": INK,
        "fontSize": 12.5,
        "fontWeight": 600,
        "anchor": "start",
        "subtitleColor": FAINT,
        "subtitleFontSize": 11.5,
        "offset": 8,
    },
    "text": {"color": INK},
    "concat": {"spacing": 4},
}


def svg(spec: Spec) -> str:
    """Inline SVG that scales with its container."""
    text = vl_convert.vegalite_to_svg({"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": CONFIG, **spec})
    start, end = text.index("<svg"), text.index(">", text.index("<svg"))
    head = " ".join(part for part in text[start:end].split(" ") if not part.startswith(("width=", "height=")))
    return f"{head} role='img' style='width:100%;height:auto'>{text[end + 1 :]}"


def story(report: dict[str, Any]) -> Spec:
    """Panels over one time axis: both lanes' answers, latency, evidence, weight; the moments run through all of them."""
    series = report["series"]
    slices = series["lanes"]
    span = _span(slices)
    canary_seen = any(cell["lane"] == "canary" for cell in slices)
    panels = [_answers(slices, "baseline", BASELINE, "Baseline", "answers per second")]
    if canary_seen:
        panels.append(_answers(slices, "canary", CANARY, "Canary", "answers per second; failed ones in red"))
    panels.append(_latency(slices, report["slo"]["slow_ms"]))
    if series["evidence"]:
        panels.append(_evidence(series["evidence"], report["gate"]["fail_at"]))
    if canary_seen:
        panels.append(_weights(series["weights"], span[1]))
    events = marks(report, span)
    framed = [_framed(panel, events, span, number == 0, number == len(panels) - 1) for number, panel in enumerate(panels)]
    return {"vconcat": framed}


def _span(slices: list[Spec]) -> tuple[float, float]:
    times = [cell["t_s"] for cell in slices] or [0.0]
    return min(times), max(times) + 1.0


def _framed(panel: Spec, events: list[Spec], span: tuple[float, float], first: bool, last: bool) -> Spec:
    """The shared time axis and the moments' lines; their labels over the first panel, the axis's numbers under the last."""
    axis: Spec = {"grid": False, "labels": last, "title": "seconds since the rollout was asked for" if last else None, "tickCount": 10}
    time: Spec = {"field": "t_s", "type": "quantitative", "scale": {"domain": list(span), "nice": False, "clamp": True}, "axis": axis}
    rules: Spec = {
        "data": {"values": events},
        "mark": {"type": "rule", "color": FAINT, "strokeDash": [3, 3], "opacity": 0.9},
        "encoding": {"x": time},
    }
    labels = [_label(events, row, time) for row in (0, 1)] if first else []
    layers = [rules, *panel["layer"], *labels]
    for layer in layers:
        if layer.pop("across", False):
            continue  # a line from edge to edge has no time
        layer.setdefault("encoding", {}).setdefault("x", time)
    rows = max((event["row"] + 1 for event in events), default=0)
    title = {**panel["title"], "offset": 12 + LABEL_HEIGHT * rows} if first else panel["title"]
    return {"width": WIDTH, "height": panel["height"], "title": title, "layer": layers}


def _label(events: list[Spec], row: int, time: Spec) -> Spec:
    mark = {
        "type": "text",
        "align": {"expr": "datum.align"},
        "dx": {"expr": "datum.align == 'right' ? -4 : 4"},
        "baseline": "bottom",
        "fontSize": 11.5,
    }
    return {
        "data": {"values": [event for event in events if event["row"] == row]},
        "mark": {**mark, "fontWeight": 600, "color": INK, "clip": False},
        "encoding": {"x": time, "y": {"value": -5 - LABEL_HEIGHT * row}, "text": {"field": "label"}},
    }


def _title(text: str, more: str) -> Spec:
    return {"text": text, "subtitle": more, "subtitlePadding": 2}


def _y(field: str, domain: list[float], ticks: list[float], kind: str = "linear") -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"type": kind, "domain": domain, "nice": False},
        "axis": {"values": ticks, "format": ",.3~r"},
    }


def _answers(slices: list[Spec], lane: str, color: str, name: str, more: str) -> Spec:
    """Failed answers stand below good ones, so that both kinds start where the eye expects them."""
    cells = [{**cell, "all_per_s": cell["ok_per_s"] + cell["failed_per_s"]} for cell in slices if cell["lane"] == lane]
    top = math.ceil(max([1.0, *(cell["all_per_s"] for cell in cells)]))
    y, slot = _y("all_per_s", [0, top], [0, top]), WIDTH / max(1.0, _span(slices)[1] - _span(slices)[0])
    bar = {"type": "bar", "width": max(1.5, slot - 1.5), "xOffset": slot / 2, "clip": True}
    if lane == "baseline":  # the background: one surface, to the end of its last slice
        cells += [{**cells[-1], "t_s": cells[-1]["t_s"] + 1, "failed_per_s": 0}] if cells else []
        good: Spec = {"mark": {"type": "area", "interpolate": "step-after", "color": color, "opacity": 0.5}, "encoding": {"y": y}}
    else:
        good = {"mark": {**bar, "color": color}, "encoding": {"y": y, "y2": {"field": "failed_per_s"}}}
    bad: Spec = {"mark": {**bar, "color": BAD}, "encoding": {"y": {**y, "field": "failed_per_s"}, "y2": {"datum": 0}}}
    return {
        "height": 72,
        "title": _title(name, more),
        "layer": [
            {"data": {"values": cells}, **good},
            {"data": {"values": [cell for cell in cells if cell["failed_per_s"]]}, **bad},
        ],
    }


def _latency(slices: list[Spec], slow_ms: float) -> Spec:
    values = [{"t_s": cell["t_s"] + 0.5, "lane": cell["lane"], "ms": max(1.0, cell["p95_ms"])} for cell in slices if cell["lane"] != "edge"]
    y = _y("ms", [1, max([1000, *(value["ms"] for value in values)])], [1, 10, 100, 1000], "log")
    return {
        "height": 84,
        "title": _title("Latency", f"p95 in milliseconds: line baseline, dots canary; slow from {slow_ms:g} ms"),
        "layer": [
            _limit("ms", slow_ms),
            {
                "data": {"values": [value for value in values if value["lane"] == "baseline"]},
                "mark": {"type": "line", "strokeWidth": 1.8, "interpolate": "monotone", "color": BASELINE},
                "encoding": {"y": y},
            },
            {
                "data": {"values": [value for value in values if value["lane"] == "canary"]},
                "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1, "color": CANARY},
                "encoding": {"y": y},
            },
        ],
    }


def _evidence(looks: list[Spec], fail_at: float) -> Spec:
    floor = 0.1
    values = [{**look, "evidence": min(max(look["evidence"], floor), fail_at * 100)} for look in looks]
    top = max([fail_at * 2, *(value["evidence"] for value in values)])
    y = _y("evidence", [floor, top], [0.1, 1, 10, 100, 1000, 10_000], "log")
    return {
        "height": 96,
        "title": _title("Evidence against the canary", f"how many to one; at {fail_at:g} the gate says FAIL"),
        "layer": [
            _limit("evidence", fail_at),
            {
                "data": {"values": values},
                "mark": {"type": "line", "interpolate": "step-after", "color": ACCENT, "strokeWidth": 2},
                "encoding": {"y": y},
            },
            {
                "data": {"values": [value for value in values if value["verdict"] == "FAIL"][:1]},
                "mark": {"type": "point", "filled": True, "size": 70, "color": BAD, "opacity": 1},
                "encoding": {"y": y},
            },
        ],
    }


def _weights(weights: list[Spec], until_s: float) -> Spec:
    values = [*weights, {"t_s": until_s, "weight_pct": weights[-1]["weight_pct"]}] if weights else []
    top = max([10, *(value["weight_pct"] for value in values)])
    mark = {"type": "area", "interpolate": "step-after", "color": CANARY, "fillOpacity": 0.25, "line": {"color": CANARY, "strokeWidth": 2}}
    y = _y("weight_pct", [0, top], [0, top])
    return {
        "height": 52,
        "title": _title("Weight", "the canary's share of new requests, in percent"),
        "layer": [{"data": {"values": values}, "mark": mark, "encoding": {"y": y}}],
    }


def _limit(field: str, value: float) -> Spec:
    return {
        "data": {"values": [{field: value}]},
        "mark": {"type": "rule", "color": BAD, "strokeWidth": 1, "opacity": 0.8},
        "encoding": {"y": {"field": field, "type": "quantitative"}},
        "across": True,
    }
