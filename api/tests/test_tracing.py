"""A trace from the browser's call to the database's statements, as a real collector would receive it over OTLP."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.real
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # pragma: allowlist secret


class Collector:
    """Keeps each span with the attributes of its resource and its own."""

    def __init__(self) -> None:
        spans = self.spans = []  # type: list[tuple[Any, dict[str, str]]]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    about = {one.key: one.value.string_value for one in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        spans.extend((span, about | {one.key: one.value.string_value for one in span.attributes}) for span in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def of(self, trace: str) -> list[tuple[Any, dict[str, str]]]:
        return [(span, says) for span, says in self.spans if span.trace_id.hex() == trace]


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    one.thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    one.thread.join()


def test_one_trace_from_the_browser_to_the_database(
    database: Any, serve: Callable[..., str], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server.server_port}")
    store = serve(database.url)
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "x-correlation-id": "from-the-browser"}
    release = httpx.get(f"{store}/api/products?country=DE", headers=headers).headers["x-release"]
    end_s = time.monotonic() + 20
    while len(collector.of(TRACE)) < 2 and time.monotonic() < end_s:
        time.sleep(0.05)
    found = collector.of(TRACE)
    [request] = [(span, says) for span, says in found if span.parent_span_id.hex() == SPAN]
    assert request[1]["slipway.release"] == request[1]["service.version"] == release
    assert request[1]["slipway.correlation_id"] == "from-the-browser"
    statements = [says for span, says in found if span.parent_span_id == request[0].span_id and "db.statement" in says]
    assert any("products" in says["db.statement"] for says in statements), found


def test_where_nobody_collects_nothing_of_it_is_loaded() -> None:
    """A release starts and serves as if there were no traces."""
    code = "import sys; from app import tracing; tracing.install(None, None); sys.exit('opentelemetry' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
