"""A short journey of one user through the edge to a release that has no users yet, and its warm-up."""

from __future__ import annotations

import itertools
import re
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from release.artifact import Release
from release.errors import SmokeFailed
from release.home import short
from release.policy import Policy

COUNTRY = "DE"
AT_ONCE = 4  # so that every instance gets some of the warm-up
USER = "smoke-test"  # always the same: which variants of flags the smoke meets is not drawn anew for each rollout


class HttpSmoke:
    """Implements the port Smoke. Its orders are real ones, of the client USER."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def check(self, address: str, release: Release) -> Mapping[str, float]:
        with Journey(address, release, self.policy.limits.smoke_s) as journey:
            journey.walk()
            journey.warm_up(self.policy.runtime.warm_up_requests)
            return journey.steps_ms


class Journey:
    """`steps_ms` grows with each step that passed. Every method raises SmokeFailed."""

    def __init__(self, address: str, release: Release, limit_s: float) -> None:
        self.release, self.limit_s = release, limit_s
        self.end_s = time.monotonic() + limit_s
        self.steps_ms: dict[str, float] = {}
        who = {"x-release": short(release.digest), "x-client-id": USER}
        self.client = httpx.Client(base_url=address, headers=who, timeout=limit_s, trust_env=False)

    def __enter__(self) -> Journey:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def walk(self) -> None:
        self.step("livez", "GET", "/livez")
        self.step("readyz", "GET", "/readyz")
        self.expect("version", self.step("version", "GET", "/version")["digest"], self.release.digest)
        items = self.step("list", "GET", f"/api/products?country={COUNTRY}")["items"]
        self.expect("list", bool(items), True)
        self.product = items[0]["id"]
        self.expect("product", self.step("product", "GET", f"/api/products/{self.product}?country={COUNTRY}")["id"], self.product)
        quote = self.step("quote", "POST", "/api/quotes", body=self.basket())
        key = {"Idempotency-Key": f"smoke-{uuid.uuid4().hex}"}
        order = self.step("order", "POST", "/api/orders", want=201, body=self.basket(), headers=key)
        self.expect("order", order["gross_cents"], quote["gross_cents"])
        again = self.step("order_again", "POST", "/api/orders", body=self.basket(), headers=key)
        self.expect("order_again", again["id"], order["id"])
        read = self.step("order_get", "GET", f"/api/orders/{order['id']}")
        self.expect("order_get", read["gross_cents"], order["gross_cents"])
        if self.release.spa:
            self.open_page()

    def open_page(self) -> None:
        """As a browser would: the document, and the script that it names."""
        page = self.fetch("page", "/")
        self.expect("page", page.headers.get("content-type", "").partition(";")[0], "text/html")
        script = re.search(r'src="(/assets/[^"]+\.js)"', page.text)
        if not script:
            raise SmokeFailed(f"smoke, step `page`: the document names no script: {page.text[:300]}")
        asset = self.fetch("asset", script[1])
        self.expect("asset", asset.headers.get("content-type", "").partition(";")[0], "text/javascript")

    def warm_up(self, requests: int) -> None:
        """Code that runs for the first time is slow: let it do so before users come."""
        started_s = time.monotonic()
        calls = list(itertools.islice(itertools.cycle(self._warm_calls()), requests))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda call: call(), calls))
        if requests:
            self.steps_ms["warm_up"] = _since_ms(started_s)

    def _warm_calls(self) -> list[Callable[[], Any]]:
        return [
            lambda: self.call("warm_up", "GET", f"/api/products?country={COUNTRY}"),
            lambda: self.call("warm_up", "GET", f"/api/products/{self.product}?country={COUNTRY}"),
            lambda: self.call("warm_up", "POST", "/api/quotes", body=self.basket()),
            lambda: self.call("warm_up", "POST", "/api/orders", 201, self.basket(), {"Idempotency-Key": f"smoke-{uuid.uuid4().hex}"}),
        ]

    def basket(self) -> dict[str, Any]:
        return {"country": COUNTRY, "lines": [{"product_id": self.product, "quantity": 1}]}

    def step(
        self, name: str, method: str, path: str, *, want: int = 200, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        started_s = time.monotonic()
        answer = self.call(name, method, path, want, body, headers)
        self.steps_ms[name] = _since_ms(started_s)
        return answer

    def call(
        self, name: str, method: str, path: str, want: int = 200, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer's JSON object; it must have the wanted status and come from exactly this release."""
        try:
            answer = self.send(name, method, path, want, body, headers)
            document = answer.json() if answer.content else {}
        except ValueError as problem:
            raise SmokeFailed(f"smoke, step `{name}`: {method} {path}: {problem!r}") from problem
        return document if isinstance(document, dict) else {"document": document}

    def fetch(self, name: str, path: str) -> httpx.Response:
        started_s = time.monotonic()
        answer = self.send(name, "GET", path, 200)
        self.steps_ms[name] = _since_ms(started_s)
        return answer

    def send(
        self, name: str, method: str, path: str, want: int, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        left_s = self.end_s - time.monotonic()
        if left_s <= 0:
            raise SmokeFailed(f"smoke: not done within {self.limit_s:g} s; it had come to `{name}`.")
        try:
            answer = self.client.request(method, path, json=body, headers=headers, timeout=left_s)
        except httpx.HTTPError as problem:
            raise SmokeFailed(f"smoke, step `{name}`: {method} {path}: {problem!r}") from problem
        if answer.status_code != want:
            raise SmokeFailed(f"smoke, step `{name}`: {method} {path} answered {answer.status_code}, not {want}: {answer.text[:300]}")
        self.expect(name, answer.headers.get("x-release"), short(self.release.digest))
        return answer

    def expect(self, name: str, got: object, want: object) -> None:
        if got != want:
            raise SmokeFailed(f"smoke, step `{name}`: {got!r}, not {want!r}.")


def _since_ms(started_s: float) -> float:
    return round((time.monotonic() - started_s) * 1000, 1)
