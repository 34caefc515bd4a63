"""Locust's client under an open-loop schedule: one greenlet per arrival, at its time, whether or not earlier answers have come."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import geventhttpclient.client
from gevent import Timeout, sleep, spawn
from gevent.event import Event
from gevent.pool import Pool
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from drill.load.schedule import CONCURRENCY, KIND, Arrival, Plan
from drill.load.shop import Request, Shop
from drill.samples import ClientTotals, Response, kind_of_error

TIMEOUT_S = 6.0
FLUSH_S = 0.1
LEARN_TRIES = 20

# The library sends a GET again when the server closed a kept-alive connection without an answer. A user's failure would vanish.
geventhttpclient.client.IDEMPOTENT_METHODS = frozenset()


class Shopper(FastHttpUser):
    """All shoppers of a drill share one pool of connections, as behind a carrier's gateway; the edge routes each request by its own id."""

    abstract = False
    concurrency = CONCURRENCY
    connection_timeout = TIMEOUT_S
    network_timeout = TIMEOUT_S
    max_retries = 0


class Client:
    """Sends one request and says what came of it. Never raises for what a server or a network does."""

    def __init__(self, address: str) -> None:
        self._environment = Environment(user_classes=[Shopper], host=address)
        Shopper.host = address
        self._http = Shopper(self._environment).client

    def send(self, request: Request, intended_s: float) -> tuple[Response, Any]:
        """The response as it will be judged, and its JSON body if it has one."""
        sent_s = time.monotonic()
        status, release, text, error, variants = self._ask(request)
        done_s = time.monotonic()
        body = _json(text) if status < 300 else None
        order = str(body["id"]) if request.key and isinstance(body, dict) and "id" in body else None
        came = Response(intended_s, sent_s, done_s, request.user, request.op, status, release, request.key, order, error, variants)
        return came, body

    def _ask(self, request: Request) -> tuple[int, str | None, bytes | None, str | None, str | None]:
        try:
            with Timeout(TIMEOUT_S):
                answer = self._http.request(
                    request.method, request.path, name=request.op, json=request.body, headers=request.headers(), allow_redirects=False
                )
        except Timeout:
            return 0, None, None, f"no answer within {TIMEOUT_S:g} s", None
        if answer.status_code == 0 or answer.headers is None:
            problem = getattr(answer, "error", None)
            return 0, None, None, f"{type(problem).__name__}: {problem}", None
        release, variants = (answer.headers.get(name) for name in ("x-release", "x-variants"))
        error = kind_of_error(answer.status_code, _json(answer.content)) if answer.status_code >= 500 else None
        return answer.status_code, str(release) if release else None, answer.content, error, str(variants) if variants else None


def _json(text: bytes | None) -> Any:
    try:
        return json.loads(text or b"null")
    except ValueError:
        return None


class Traffic:
    """Runs a plan against the store and writes `samples` and, at the end, load.json beside it."""

    def __init__(self, client: Client, plan: Plan, samples: Path, max_s: float, coupons_pct: int = 0) -> None:
        self._client, self._plan, self._max_s, self._coupons_pct = client, plan, max_s, coupons_pct
        self._samples, self._totals = samples, samples.with_name("load.json")
        self._pool = Pool(CONCURRENCY)
        self._stopped = Event()
        self._lines: list[str] = []
        self._late_ms: list[float] = []
        self._arrivals = self._answered = self._dropped = 0

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        """Until stopped, or `max_s`; then waits for what is outstanding, no longer than a request's timeout."""
        self._shop = Shop(self._learn(), coupons_pct=self._coupons_pct)
        with self._samples.open("ab", buffering=0) as file:
            writer = spawn(self._write_until_stopped, file)
            started_s = time.monotonic()
            self._arrive(started_s)
            self._pool.join(timeout=TIMEOUT_S + 1)
            writer.kill()
            self._flush(file)
        self._report(started_s)

    def _learn(self) -> list[Any]:
        """The ids of the products on offer, as any shopper's first page would show them."""
        for _ in range(LEARN_TRIES):
            _, body = self._client.send(Request("list", "GET", "/api/products?country=DE", "u0000"), time.monotonic())
            if body and body.get("items"):
                return [item["id"] for item in body["items"]]
            sleep(0.25)
        raise SystemExit("The store lists no products.")

    def _arrive(self, started_s: float) -> None:
        for arrival in self._plan.arrivals():
            if arrival.at_s >= self._max_s or self._stopped.wait(max(0.0, started_s + arrival.at_s - time.monotonic())):
                return
            self._arrivals += 1
            if self._pool.full():
                self._dropped += 1
            else:
                self._pool.spawn(self._one, arrival, started_s + arrival.at_s)

    def _one(self, arrival: Arrival, intended_s: float) -> None:
        response, _ = self._client.send(self._shop.request(arrival), intended_s)
        self._answered += 1
        self._late_ms.append((response.sent_s - intended_s) * 1000)
        self._lines.append(response.line())
        if response.acknowledged and response.order:
            self._shop.ordered(response.user, response.order)

    def _write_until_stopped(self, file: Any) -> None:
        while True:
            sleep(FLUSH_S)
            self._flush(file)

    def _flush(self, file: Any) -> None:
        lines, self._lines = self._lines, []
        if lines:
            file.write(("\n".join(lines) + "\n").encode())

    def _report(self, started_s: float) -> None:
        late = sorted(self._late_ms)
        ClientTotals(
            schedule=f"{KIND}, {self._plan.rate_per_s:g}/s, {self._plan.users} users, seed {self._plan.seed}",
            started_s=started_s,
            ended_s=time.monotonic(),
            arrivals=self._arrivals,
            answered=self._answered,
            dropped=self._dropped,
            unfinished=len(self._pool),
            late_ms_p99=late[int(len(late) * 0.99)] if late else 0.0,
        ).write(self._totals)
