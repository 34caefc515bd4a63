"""The ledger in Grafana's dashboards: sent over real HTTP, in order, and never in the way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from release.adapters.annotations import END_S, Annotations


class Grafana:
    """Its one endpoint that is asked; `slow_s` before each answer."""

    def __init__(self) -> None:
        notes = self.notes = []  # type: list[dict[str, Any]]
        grafana, self.slow_s = self, 0.0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                time.sleep(grafana.slow_s)
                notes.append({"path": self.path, **body})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    one = Grafana()
    thread = threading.Thread(target=one.server.serve_forever)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


def test_each_is_sent_in_order_with_its_time(grafana: Grafana) -> None:
    annotations = Annotations(lambda: grafana.address)
    for number in range(3):
        annotations.add(f"step {number}", ["slipway", "split_set"], 1_700_000_000_000 + number)
    annotations.end()
    assert [note["text"] for note in grafana.notes] == ["step 0", "step 1", "step 2"]
    assert grafana.notes[2] == {"path": "/api/annotations", "text": "step 2", "tags": ["slipway", "split_set"], "time": 1_700_000_000_002}


def test_one_that_is_slow_or_not_there_holds_nobody_up(grafana: Grafana) -> None:
    grafana.slow_s = 1.0
    started_s = time.monotonic()
    for address in (grafana.address, "http://127.0.0.1:1", None):
        annotations = Annotations(lambda address=address: address)
        for _ in range(2000):
            annotations.add("x", ["slipway"], 0)
        annotations.thread = None  # nobody waits for its end
    assert time.monotonic() - started_s < END_S
