"""What the ledger says, drawn into Grafana's dashboards: best effort, beside the work, bounded. A rollout never waits for it and never fails by it."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

ANSWER_S, END_S, KEPT = 2.0, 3.0, 1000
log = logging.getLogger("release.annotations")


class Annotations:
    """`address`: Grafana's, asked once; None where there is none. https://grafana.com/docs/grafana/latest/developers/http_api/annotations/"""

    def __init__(self, address: Callable[[], str | None]) -> None:
        self.address = address
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(KEPT)
        self.thread: threading.Thread | None = None

    def add(self, text: str, tags: list[str], at_ms: int) -> None:
        """Returns at once. What does not fit into the queue is left out."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._send_all, name="annotations", daemon=True)
            self.thread.start()
            atexit.register(self.end)
        with suppress(queue.Full):
            self.waiting.put_nowait({"text": text, "tags": tags, "time": at_ms})

    def end(self) -> None:
        """Let it send what waits, bounded."""
        atexit.unregister(self.end)
        with suppress(queue.Full):
            self.waiting.put_nowait(None)
        if self.thread:
            self.thread.join(END_S)
            self.thread = None

    def _send_all(self) -> None:
        try:
            address = self.address()
            with httpx.Client(base_url=address or "http://none", timeout=ANSWER_S, trust_env=False) as client:
                while (note := self.waiting.get()) is not None:
                    if address:
                        client.post("/api/annotations", json=note).raise_for_status()
        except Exception as problem:
            log.info("Grafana takes no annotations: %r", problem)
