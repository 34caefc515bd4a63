"""Rate, errors, duration of each route template, and one log line per request. Labels are bounded: no address, no client."""

from __future__ import annotations

import time

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.flags import variants

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
REQUESTS = Counter(
    "http_requests_total", "Requests answered; `variants` are those of the flags that they used.", ["method", "route", "status", "variants"]
)
DURATION_S = Histogram(
    "http_request_duration_seconds",
    "Request received to answer sent.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests received and not yet answered.")

log = structlog.get_logger()


class Red:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        used = variants.begin(scope)
        status = 0  # stays 0 where the client left before the answer

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if used:
                    MutableHeaders(scope=message)[variants.HEADER] = variants.text(used)
            await send(message)

        began_s = time.perf_counter()
        IN_FLIGHT.inc()
        try:
            await self.app(scope, receive, watched)
        finally:
            IN_FLIGHT.dec()
            _note(scope, status, variants.label(used), time.perf_counter() - began_s)


def _note(scope: Scope, status: int, used: str, took_s: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUESTS.labels(method, route, status, used).inc()
    DURATION_S.labels(method, route).observe(took_s)
    log.info("request", method=method, route=route, status=status, took_ms=round(took_s * 1000, 1), **({"variants": used} if used else {}))
