"""A split of traffic as Envoy's configuration, and read back.

Three kinds of resources, each in a file of its own: CDS (one cluster per release), EDS (the ports of one release), RDS (who
answers whom). Names and fields are those of Envoy's v3 API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.home import short
from release.runtime import UPSTREAM_IDLE_S

Json = dict[str, Any]

WEIGHT_SUM = 10_000
ROUTE_TIMEOUT_S = 5
ROUTES = "store"
TYPE = "type.googleapis.com/envoy"

# What may be sent a second time. A request that was never begun, always. One that was perhaps begun only if doing it twice is
# harmless: it reads, or it carries a key by which the store knows it again.
NOT_BEGUN = "connect-failure,refused-stream,reset-before-request"
PERHAPS_BEGUN = f"{NOT_BEGUN},reset"
HARMLESS_TWICE = (
    {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|OPTIONS"}}},
    {"name": "idempotency-key", "present_match": True},
)


@dataclass(frozen=True)
class Backend:
    """A release that runs: one port on loopback per instance."""

    digest: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Who answers new requests. `weight_pct` is the canary's share; the rest goes to the baseline."""

    baseline: str
    canary: str | None = None
    weight_pct: int = 0


def cluster_name(digest: str) -> str:
    return f"release-{short(digest)}"


def clusters(digests: Sequence[str], folder: Path, version: str) -> Json:
    """CDS: one cluster per release."""
    return {"version_info": version, "resources": [_cluster(digest, folder) for digest in digests]}


def _cluster(digest: str, folder: Path) -> Json:
    """Panic mode is off: it would send traffic to hosts known to be dead. The breakers are out of the way: two lanes must not differ by them."""
    limits = {"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000, "max_retries": 10_000}
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": cluster_name(digest),
        "type": "EDS",
        "connect_timeout": "0.25s",
        "eds_cluster_config": {"eds_config": watched(folder / endpoints_file(digest))},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            f"{TYPE.removeprefix('type.googleapis.com/')}.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_S}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def endpoints_file(digest: str) -> str:
    return f"eds-{short(digest)}.json"


def endpoints(backend: Backend, baseline: Backend, version: str) -> Json:
    """EDS: a release's own ports; behind them the baseline's, for requests that it could not answer because it died."""
    groups = [backend.ports] if backend.digest == baseline.digest else [backend.ports, baseline.ports]
    localities = [{"priority": priority, "lb_endpoints": [_endpoint(port) for port in ports]} for priority, ports in enumerate(groups)]
    assignment = {
        "@type": f"{TYPE}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster_name(backend.digest),
        "endpoints": localities,
    }
    return {"version_info": version, "resources": [assignment]}


def _endpoint(port: int) -> Json:
    return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}


def routes(backends: Sequence[Backend], split: Split, version: str) -> Json:
    """RDS: first whoever names a release by `x-release`, then everyone else by weight. A route to a cluster that is not there is refused."""
    host = {
        "name": ROUTES,
        "domains": ["*"],
        "routes": [*(_pin(backend.digest) for backend in backends), *_weighted(split)],
    }
    config = {
        "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "validate_clusters": True,
        "virtual_hosts": [host],
    }
    return {"version_info": version, "resources": [config]}


def _pin(digest: str) -> Json:
    """Exactly this release answers, or nobody: no retry, no fallback. The route's name is the whole digest, for `read_back`."""
    named = {"name": "x-release", "string_match": {"exact": short(digest)}}
    return {
        "name": digest,
        "match": {"prefix": "/", "headers": [named]},
        "route": {"cluster": cluster_name(digest), "timeout": f"{ROUTE_TIMEOUT_S}s"},
    }


def _weighted(split: Split) -> list[Json]:
    """The same weights thrice; only what may be sent again differs. The name says who is who, for `read_back`: a weight of 0 leaves no trace."""
    name = f"{split.baseline} {split.canary}" if split.canary else split.baseline
    cases = [({"headers": [header]}, PERHAPS_BEGUN) for header in HARMLESS_TWICE] + [({}, NOT_BEGUN)]
    return [{"name": name, "match": {"prefix": "/", **match}, "route": _shares(split, retry_on)} for match, retry_on in cases]


def _shares(split: Split, retry_on: str) -> Json:
    """The canary stands first: the hash of a user is compared with the running sum of weights, so who is in it at 1 % still is at 10 %."""
    return {
        "timeout": f"{ROUTE_TIMEOUT_S}s",
        "weighted_clusters": {
            "use_hash_policy": True,
            "clusters": [{"name": cluster_name(digest), "weight": weight} for digest, weight in weights(split) if weight],
        },
        "hash_policy": [{"header": {"header_name": "x-client-id"}, "terminal": True}],
        "retry_policy": _retry(retry_on),
    }


def weights(split: Split) -> list[tuple[str, int]]:
    """Digest and weight, the canary first; they sum to WEIGHT_SUM, zeros among them."""
    if split.canary is None:
        return [(split.baseline, WEIGHT_SUM)]
    canary = split.weight_pct * WEIGHT_SUM // 100
    return [(split.canary, canary), (split.baseline, WEIGHT_SUM - canary)]


def _retry(retry_on: str) -> Json:
    """Never on a 5xx: a retry would hide the very failures that the gate counts. A second try goes to another priority and another port."""
    return {
        "retry_on": retry_on,
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.05s"},
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": f"{TYPE}.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }


def read_back(config: Mapping[str, Any]) -> Split:
    """The split of a RouteConfiguration: its weights are what counts. Raises ValueError when it is none of ours."""
    try:
        last = config["virtual_hosts"][0]["routes"][-1]
        baseline, _, canary = last["name"].partition(" ")
        shares = {share["name"]: int(share["weight"]) for share in last["route"]["weighted_clusters"]["clusters"]}
    except (KeyError, IndexError, TypeError, AttributeError) as problem:
        raise ValueError(f"not a split: {problem!r}") from problem
    weight = shares.get(cluster_name(canary), 0) if canary else 0
    split = Split(baseline, canary or None, weight * 100 // WEIGHT_SUM)
    if shares != {cluster_name(digest): weight for digest, weight in weights(split) if weight}:
        raise ValueError(f"not a split: {shares}")
    return split


def digests_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Cluster's name -> digest, of every release that a RouteConfiguration knows."""
    pins = [route for route in config["virtual_hosts"][0]["routes"] if "cluster" in route.get("route", {})]
    return {pin["route"]["cluster"]: pin["name"] for pin in pins}


def watched(path: Path) -> Json:
    """Envoy reads it again whenever another file is renamed onto it."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
