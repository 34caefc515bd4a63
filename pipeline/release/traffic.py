"""A split of traffic as Envoy's configuration, and read back.

Three kinds of resources, each in a file of its own: CDS (one cluster per release), EDS (the addresses of one release), RDS (who
answers whom). Names and fields are those of Envoy's v3 API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from release.home import short
from release.runtime import UPSTREAM_IDLE_S

Json = dict[str, Any]

WEIGHT_SUM = 10_000
ROUTE_TIMEOUT_S = 5
ROUTES, PAGES, STREAMS = "store", "pages", "events"
TYPE = "type.googleapis.com/envoy"

# What may be sent a second time. A request that was never begun, always. One that was perhaps begun only if doing it twice is
# harmless: it reads, or it carries a key by which the store knows it again.
NOT_BEGUN = "connect-failure,refused-stream,reset-before-request"
PERHAPS_BEGUN = f"{NOT_BEGUN},reset"
HARMLESS_TWICE = (
    {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|OPTIONS"}}},
    {"name": "idempotency-key", "present_match": True},
)


# What the API answers; everything else is the SPA's: its documents and assets. Without an SPA all of it is the API's.
API = {"safe_regex": {"regex": "/(api(/.*)?|ofrep(/.*)?|livez|readyz|version|metrics|openapi\\.json)"}}
# Streams of events for open pages: answers that last for minutes, so they have no timeout and a cluster of their own, which nobody judges and no drain waits for.
EVENTS = {"path": "/ofrep/v1/events"}
Switch = Literal["weighted", "at_once"]


@dataclass(frozen=True)
class Backend:
    """A release that runs: where each instance listens, as `host:port`, and its SPA's origin."""

    digest: str
    instances: tuple[str, ...]
    origins: tuple[str, ...] = ()

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(port_of(address) for address in self.instances)


def loopback(ports: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{port}" for port in ports)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@dataclass(frozen=True)
class Split:
    """Who answers new requests. `weight_pct` is the canary's share; the rest goes to the baseline."""

    baseline: str
    canary: str | None = None
    weight_pct: int = 0


def cluster_name(digest: str) -> str:
    return f"release-{short(digest)}"


def web_cluster_name(digest: str) -> str:
    return f"web-{short(digest)}"


def events_cluster_name(digest: str) -> str:
    return f"events-{short(digest)}"


def clusters(backends: Sequence[Backend], folder: Path, version: str) -> Json:
    """CDS: one cluster per release, one for its streams and one for its SPA. The gate counts the first alone."""
    names = [name(backend.digest) for name in (cluster_name, events_cluster_name) for backend in backends]
    names += [web_cluster_name(backend.digest) for backend in backends if backend.origins]
    return {"version_info": version, "resources": [_cluster(name, folder) for name in names]}


def _cluster(name: str, folder: Path) -> Json:
    """Panic mode is off: it would send traffic to hosts known to be dead. The breakers are out of the way: two lanes must not differ by them."""
    limits = {"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000, "max_retries": 10_000}
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": "0.25s",
        "eds_cluster_config": {"eds_config": watched(folder / endpoints_file(name))},
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


def endpoints_file(cluster: str) -> str:
    return f"eds-{cluster}.json"


def all_endpoints(backends: Sequence[Backend], split: Split, version: str) -> dict[str, Json]:
    """EDS: file name -> a release's own instances; behind them the baseline's, for requests that it could not answer because it died.

    Where the baseline's own origin died, those of the pinned releases serve their pages: an older page works with this API, none does not.
    """
    baseline = next(backend for backend in backends if backend.digest == split.baseline)
    pinned_pages = tuple(address for one in backends if one.digest not in (split.baseline, split.canary) for address in one.origins)
    names = {name(backend.digest): backend for name in (cluster_name, events_cluster_name) for backend in backends}
    made = {name: _endpoints(name, backend.instances, baseline.instances) for name, backend in names.items()}
    for backend in backends:
        if backend.origins:
            name = web_cluster_name(backend.digest)
            made[name] = _endpoints(name, backend.origins, pinned_pages if backend is baseline else baseline.origins)
    return {endpoints_file(name): {"version_info": version, "resources": [assignment]} for name, assignment in made.items()}


def _endpoints(cluster: str, own: tuple[str, ...], fallback: tuple[str, ...]) -> Json:
    groups = [own, fallback] if fallback and fallback != own else [own]
    localities = [{"priority": priority, "lb_endpoints": [_endpoint(one) for one in group]} for priority, group in enumerate(groups)]
    return {
        "@type": f"{TYPE}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": localities,
    }


def _endpoint(address: str) -> Json:
    host, _, port = address.rpartition(":")
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}


def routes(backends: Sequence[Backend], split: Split, version: str, switch: Switch = "weighted") -> Json:
    """RDS: first whoever names a release by `x-release`, then everyone else by weight. A route to a cluster that is not there is refused."""
    page_clusters = {backend.digest: _page_cluster(backend) for backend in backends}
    host = {
        "name": ROUTES,
        "domains": ["*"],
        "routes": [*(rule for backend in backends for rule in _pins(backend)), *_everyone(split, page_clusters, switch)],
    }
    config = {
        "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "validate_clusters": True,
        "virtual_hosts": [host],
    }
    return {"version_info": version, "resources": [config]}


def _page_cluster(backend: Backend) -> str:
    return web_cluster_name(backend.digest) if backend.origins else cluster_name(backend.digest)


def _pins(backend: Backend) -> list[Json]:
    """Exactly this release answers, or nobody: no retry, no fallback. The route's name is the whole digest, for `digests_of`."""
    named = {"headers": [{"name": "x-release", "string_match": {"exact": short(backend.digest)}}]}
    api, pages = cluster_name(backend.digest), _page_cluster(backend)
    cases: list[tuple[Json, str]] = [({"prefix": "/"}, pages)] if api == pages else [(API, api), ({"prefix": "/"}, pages)]
    cases = [(EVENTS, events_cluster_name(backend.digest)), *cases]
    return [
        {
            "name": backend.digest,
            "match": {**path, **named},
            "route": {"cluster": cluster, "timeout": "0s" if path is EVENTS else f"{ROUTE_TIMEOUT_S}s"},
        }
        for path, cluster in cases
    ]


def _everyone(split: Split, page_clusters: Mapping[str, str], switch: Switch) -> list[Json]:
    """The API by weight, then the pages. Where nobody of the split has an SPA, all is the API's."""
    here = [digest for digest in (split.baseline, split.canary) if digest]
    streams = {digest: events_cluster_name(digest) for digest in here}
    events = {"name": STREAMS, "match": EVENTS, "route": {**_shares(split, NOT_BEGUN, streams), "timeout": "0s"}}
    if all(page_clusters.get(digest, cluster_name(digest)) == cluster_name(digest) for digest in here):
        return [events, *_weighted(split, {"prefix": "/"})]
    pages = split if switch == "weighted" else replace(split, weight_pct=100 if split.weight_pct == 100 else 0)
    return [
        events,
        *_weighted(split, API),
        {"name": PAGES, "match": {"prefix": "/"}, "route": _shares(pages, PERHAPS_BEGUN, page_clusters)},
    ]


def _weighted(split: Split, path: Json) -> list[Json]:
    """The same weights thrice; only what may be sent again differs. The name says who is who, for `read_back`: a weight of 0 leaves no trace."""
    name = f"{split.baseline} {split.canary}" if split.canary else split.baseline
    cases = [({"headers": [header]}, PERHAPS_BEGUN) for header in HARMLESS_TWICE] + [({}, NOT_BEGUN)]
    return [{"name": name, "match": {**path, **match}, "route": _shares(split, retry_on)} for match, retry_on in cases]


def _shares(split: Split, retry_on: str, names: Mapping[str, str] | None = None) -> Json:
    """The canary stands first: the hash of a user is compared with the running sum of weights, so who is in it at 1 % still is at 10 %.

    A document's request carries no header of ours; the SPA leaves the same id in a cookie, which is the same hash.
    """
    shares = [(names[digest] if names else cluster_name(digest), weight) for digest, weight in weights(split) if weight]
    return {
        "timeout": f"{ROUTE_TIMEOUT_S}s",
        "weighted_clusters": {"use_hash_policy": True, "clusters": [{"name": name, "weight": weight} for name, weight in shares]},
        "hash_policy": [
            {"header": {"header_name": "x-client-id"}, "terminal": True},
            {"cookie": {"name": "client-id"}, "terminal": True},
        ],
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
        last = [route for route in config["virtual_hosts"][0]["routes"] if route.get("name") != PAGES][-1]
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
    """Cluster's name -> digest, of every release that a RouteConfiguration knows. Those of SPAs are left out: a document is no request to judge by."""
    pins = [route for route in config["virtual_hosts"][0]["routes"] if "cluster" in route.get("route", {})]
    return {pin["route"]["cluster"]: pin["name"] for pin in pins if pin["route"]["cluster"] == cluster_name(pin["name"])}


def watched(path: Path) -> Json:
    """Envoy reads it again whenever another file is renamed onto it."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
