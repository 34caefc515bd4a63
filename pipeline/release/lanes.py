"""Which release is in which lane, as metrics that the edge itself gives out: true for as long as it serves, also when no engine lives."""

from __future__ import annotations

from collections.abc import Sequence

from release.home import short
from release.traffic import TYPE, Backend, Json, Split, weights

FILE, ROUTES = "lanes.json", "lanes"
CONTENT_TYPE = "text/plain; version=0.0.4"


def text(backends: Sequence[Backend], split: Split) -> str:
    """Prometheus text format: https://prometheus.io/docs/instrumenting/exposition_formats/"""
    share = {digest: weight / 100 for digest, weight in weights(split)}
    lines = ["# TYPE slipway_lane_info gauge", "# TYPE slipway_lane_weight_pct gauge"]
    for backend in backends:
        labels = f'release="{short(backend.digest)}",lane="{_lane(backend.digest, split)}"'
        lines += [
            f'slipway_lane_info{{{labels},digest="{backend.digest}"}} 1',
            f"slipway_lane_weight_pct{{{labels}}} {share.get(backend.digest, 0):g}",
        ]
    return "\n".join(lines) + "\n"


def _lane(digest: str, split: Split) -> str:
    return {split.baseline: "baseline", split.canary: "canary"}.get(digest, "pinned")


def routes(backends: Sequence[Backend], split: Split, version: str) -> Json:
    """RDS of the listener for Prometheus: the edge's counters, and the lanes as a fixed answer."""
    header = {"header": {"key": "content-type", "value": CONTENT_TYPE}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    lanes = {
        "match": {"path": "/lanes"},
        "direct_response": {"status": 200, "body": {"inline_string": text(backends, split)}},
        "response_headers_to_add": [header],
    }
    counters = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": "admin", "timeout": "5s"}}
    host = {"name": ROUTES, "domains": ["*"], "routes": [counters, lanes]}
    config = {"@type": f"{TYPE}.config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": [host]}
    return {"version_info": version, "resources": [config]}
