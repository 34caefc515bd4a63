"""The part of the edge's configuration that stays while Envoy runs: its listener, its admin socket, what it logs and counts."""

from __future__ import annotations

from pathlib import Path

from release.lanes import FILE as LANES_FILE
from release.lanes import ROUTES as LANES
from release.telemetry import USED_CLUSTER, USED_SCOPE, USED_VARIANTS, bucket_edges_ms
from release.traffic import ROUTES, TYPE, Json, watched

USED_SERIES_MAX = 600  # releases x variants x kinds of answers: a request whose series finds no place is not attributed


def bootstrap(
    folder: Path, admin_socket: Path, listens: tuple[str, int], access_log: Path, slow_ms: int, metrics: tuple[str, int] | None = None
) -> Json:
    """All that stays while Envoy runs. `folder` holds cds.json and rds.json; port 0 lets the kernel choose. `metrics`: where Prometheus asks.

    Histograms are brought up to date each 0.25 s, so that the gate never judges by old ones.
    """
    return {
        "node": {"id": "edge", "cluster": "slipway"},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "stats_flush_interval": "0.25s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(bucket_edges_ms(slow_ms))}]
        },
        "dynamic_resources": {"cds_config": watched(folder / "cds.json")},
        "static_resources": {
            "listeners": [_listener(folder, listens, access_log, slow_ms), *([_metrics(folder, metrics)] if metrics else [])],
            "clusters": [_admin(admin_socket)] if metrics else [],
        },
    }


def _metrics(folder: Path, listens: tuple[str, int]) -> Json:
    """Counters and lanes for Prometheus, and nothing else of the admin interface, which can end the process."""
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "metrics",
        "rds": {"route_config_name": LANES, "config_source": watched(folder / LANES_FILE)},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}}],
    }
    return {
        "name": "metrics",
        "address": {"socket_address": {"address": listens[0], "port_value": listens[1]}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _admin(socket: Path) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    return {
        "name": "admin",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _listener(folder: Path, listens: tuple[str, int], access_log: Path, slow_ms: int) -> Json:
    """`enable_reuse_port` is off: with it a second Envoy on a taken port would silently get half of the connections."""
    return {
        "name": "edge",
        "address": {"socket_address": {"address": listens[0], "port_value": listens[1]}},
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _http(folder, access_log, slow_ms)}]}],
    }


def _http(folder: Path, access_log: Path, slow_ms: int) -> Json:
    """No client counts as internal, so that none can steer retries and timeouts by Envoy's own headers. An empty list would mean
    "all private addresses, and loopback"; the one that is named is nobody's.
    """
    return {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "request_headers_timeout": "5s",
        "rds": {"route_config_name": ROUTES, "config_source": watched(folder / "rds.json")},
        "access_log": [
            {"name": "file", "typed_config": _access_log(access_log)},
            _used("answers"),
            _used("failed", {"status_code_filter": {"comparison": _at_least(500)}}),
            _used("slow", {"duration_filter": {"comparison": _at_least(slow_ms)}}),
        ],
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}}],
    }


def _used(series: str, which: Json | None = None) -> Json:
    """Answers per release and flag variants that they used, as the API says in `x-variants`; bounded, whatever it says."""
    tags = {USED_CLUSTER: "%UPSTREAM_CLUSTER_RAW%", USED_VARIANTS: "%RESP(X-VARIANTS)%"}
    stat = {"name": series, "tags": [{"name": name, "value_format": value} for name, value in tags.items()]}
    config = {
        "@type": f"{TYPE}.extensions.access_loggers.stats.v3.Config",
        "stats_scope": {"prefix": USED_SCOPE, "max_counters": USED_SERIES_MAX, "sharing_name": USED_SCOPE},
        "counters": [{"stat": stat, "value_fixed": 1}],
    }
    return {"name": f"used-{series}", "typed_config": config, **({"filter": which} if which else {})}


def _at_least(value: int) -> Json:
    return {"op": "GE", "value": {"default_value": value, "runtime_key": "unused"}}


def _access_log(path: Path) -> Json:
    fields = {
        "at": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "release": "%RESP(X-RELEASE)%",
        "x-correlation-id": "%RESP(X-CORRELATION-ID)%",
        "x-request-id": "%REQ(X-REQUEST-ID)%",
    }
    return {
        "@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
        "path": str(path),
        "log_format": {"json_format": fields},
    }
