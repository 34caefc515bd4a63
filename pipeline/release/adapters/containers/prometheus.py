"""The edge's counters as Prometheus has them: as old as its last scrape, and said to be so."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from release import telemetry
from release.adapters.containers.project import Project
from release.errors import TelemetryLost
from release.telemetry import Look

ANSWER_S = 2.0
SERIES = "envoy_cluster_upstream_rq(_completed|_retry|_timeout|_active|_xx|_time_bucket|)?"
USED = f"envoy_{telemetry.USED_SCOPE}_(answers|failed|slow)"


class PrometheusTelemetry:
    """Implements the port Telemetry. `digests` maps the clusters of the edge to releases."""

    def __init__(self, project: Project, digests: Callable[[], Mapping[str, str]], slow_ms: int) -> None:
        self.project, self.digests, self.slow_ms = project, digests, slow_ms
        self.client = httpx.Client(timeout=ANSWER_S, trust_env=False)

    def look(self) -> Look:
        """All series of one scrape: looks within the same scrape are the same, which the engine passes over."""
        try:
            clusters = self.digests()
            found = self._query(f'{{__name__=~"{SERIES}|{USED}",envoy_cluster_name=~"{"|".join(clusters)}"}}')
            [scraped] = self._query('timestamp(envoy_server_live{job="edge"})')
            age_s = time.time() - float(scraped["value"][1])
        except (httpx.HTTPError, OSError, ValueError, LookupError) as problem:
            raise TelemetryLost(f"Prometheus does not have the edge's counters: {problem!r}") from problem
        said = as_envoy_says(found)
        return Look(time.monotonic() - age_s, telemetry.parse(said, clusters, self.slow_ms), telemetry.parse_used(said, clusters))

    def _query(self, promql: str) -> list[dict[str, Any]]:
        port = self.project.port("prometheus", 9090)
        if port is None:
            raise LookupError("Prometheus does not run; `make observe RUNTIME=compose` starts it")
        answer = self.client.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": promql}).raise_for_status()
        return list(answer.json()["data"]["result"])


def as_envoy_says(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The same counters in the form of Envoy's own answer, which `telemetry.parse` reads. Pure."""
    plain: list[dict[str, Any]] = []
    buckets: dict[str, list[dict[str, float]]] = {}
    for one in found:
        labels, value = one["metric"], float(one["value"][1])
        if re.fullmatch(USED, labels["__name__"]):
            plain.append({"name": _used(labels), "value": value})
            continue
        prefix = f"cluster.{labels['envoy_cluster_name']}.upstream_rq"
        what = str(labels["__name__"]).removeprefix("envoy_cluster_upstream_rq")
        if what == "_time_bucket":
            if labels["le"] != "+Inf":
                buckets.setdefault(f"{prefix}_time", []).append({"upper_bound": float(labels["le"]), "cumulative": value})
        elif what == "_xx":
            if labels["envoy_response_code_class"] == "5":
                plain.append({"name": f"{prefix}_5xx", "value": value})
        elif what == "":
            plain.append({"name": f"{prefix}_{labels['envoy_response_code']}", "value": value})
        else:
            plain.append({"name": f"{prefix}{what}", "value": value})
    return {"stats": [*plain, {"histograms": [{"name": name, "buckets": of} for name, of in buckets.items()]}]}


def _used(labels: Mapping[str, str]) -> str:
    series = labels["__name__"].rpartition("_")[2]
    cluster, variants = labels["envoy_cluster_name"], labels.get(telemetry.USED_VARIANTS, "")  # an empty label is none
    return f"{telemetry.USED_SCOPE}.{series}.{telemetry.USED_CLUSTER}.{cluster}.{telemetry.USED_VARIANTS}.{variants}"
