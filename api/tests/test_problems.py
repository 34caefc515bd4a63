"""Every failure is a problem document with a type that the OpenAPI document names."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app import problems
from app.limits import BODY_BYTES_MAX
from app.problems import MEDIA_TYPE, Problem

JSON = {"content-type": "application/json"}
BASKET = '{"country": "DE", "lines": [{"product_id": 1, "quantity": %s}]}'


def ask(store: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(store), base_url="http://store") as client:
            return await client.request(method, path, **options)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "slug"),
    [
        ("GET", "/nowhere", {}, 404, "not-found"),
        ("GET", "/api/products/", {}, 404, "not-found"),
        ("DELETE", "/api/products", {}, 405, "method-not-allowed"),
        ("POST", "/api/quotes", {"content": "{", "headers": JSON}, 400, "malformed-body"),
        ("POST", "/api/quotes", {"content": "\xff", "headers": JSON}, 400, "malformed-body"),
        ("POST", "/api/quotes", {"content": "[" * 30_000, "headers": JSON}, 400, "malformed-body"),
        ("POST", "/api/quotes", {"content": BASKET % ("9" * 5000), "headers": JSON}, 400, "malformed-body"),
        ("POST", "/api/quotes", {"content": "{}", "headers": {"content-type": "text/plain"}}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": '{"\\ud800": 1}', "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": BASKET % "NaN", "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": BASKET % "1e400", "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": BASKET % "true", "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": BASKET % '"1"', "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": BASKET % "1001", "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"content": BASKET % "0", "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"json": {"country": "DE", "lines": []}}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"json": {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}] * 51}}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"json": {"country": "XX", "lines": [{"product_id": 1, "quantity": 1}]}}, 422, "invalid-request"),
        ("POST", "/api/quotes", {"json": {"country": "DE", "lines": [{"product_id": 2**31, "quantity": 1}]}}, 422, "invalid-request"),
        (
            "POST",
            "/api/quotes",
            {"json": {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}], "coupon": "a\x00b"}},
            422,
            "invalid-request",
        ),
        (
            "POST",
            "/api/quotes",
            {"json": {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}], "coupon": "a" * 65}},
            422,
            "invalid-request",
        ),
        (
            "POST",
            "/api/quotes",
            {"json": {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}], "voucher": "a"}},
            422,
            "invalid-request",
        ),
        ("POST", "/api/quotes", {"content": "x" * (BODY_BYTES_MAX + 1), "headers": JSON}, 413, "body-too-large"),
        ("POST", "/api/orders", {"content": BASKET % "1", "headers": JSON}, 422, "invalid-request"),
        ("GET", "/api/orders", {"headers": {"x-client-id": "a b"}}, 422, "invalid-request"),
        ("GET", f"/api/products/{2**31}", {}, 422, "invalid-request"),
        ("GET", "/api/products/%00", {}, 422, "invalid-request"),
        ("GET", "/api/products?country=XX", {}, 422, "invalid-request"),
        ("GET", "/api/products", {}, 503, "database-away"),
        ("GET", "/readyz", {}, 503, "database-away"),
    ],
)
def test_a_problem_of_its_own(store: FastAPI, method: str, path: str, options: dict[str, Any], status: int, slug: str) -> None:
    answer = ask(store, method, path, **options)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    document = answer.json()
    assert (document["status"], document["type"]) == (status, f"/problems/{slug}")
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("allow" in answer.headers) == (status == 405)


def test_every_method_of_an_address_is_allowed(store: FastAPI) -> None:
    assert ask(store, "PATCH", "/api/orders").headers["allow"] == "GET, POST"


def test_a_streamed_body_is_counted(store: FastAPI) -> None:
    async def stream() -> Any:
        for _ in range(BODY_BYTES_MAX // 1000 + 1):
            yield b" " * 1000

    assert ask(store, "POST", "/api/quotes", content=stream(), headers=JSON).status_code == 413


def test_faults_say_where_and_not_what_was_sent(store: FastAPI) -> None:
    answer = ask(store, "POST", "/api/quotes", json={"country": "private", "lines": [{"product_id": 1, "quantity": 0}]})
    assert [fault["where"] for fault in answer.json()["faults"]] == ["body.country", "body.lines.0.quantity"]
    assert "private" not in answer.text


def test_faults_are_bounded(store: FastAPI) -> None:
    answer = ask(store, "POST", "/api/quotes", json={"country": "DE", "lines": [{"product_id": 0, "quantity": 0}] * 50, "x" * 5000: 1})
    assert len(answer.json()["faults"]) == problems.FAULTS_MAX
    assert len(answer.content) < 5000


def test_a_bug_is_a_500_with_the_usual_headers(store: FastAPI) -> None:
    @store.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("told to nobody")

    answer = ask(store, "GET", "/broken", headers={"x-correlation-id": "known-to-caller"})
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert (answer.headers["x-correlation-id"], answer.headers["x-release"]) == ("known-to-caller", "ab" * 6)
    assert "told to nobody" not in answer.text


def test_the_document_names_every_problem(store: FastAPI) -> None:
    text = json.dumps(store.openapi())
    for kind in Problem.__subclasses__():
        assert f'"/problems/{kind.slug}"' in text
    assert len({kind.slug for kind in Problem.__subclasses__()}) == len(Problem.__subclasses__())


def test_only_documented_answers_refer_to_what_exists(store: FastAPI) -> None:
    document = store.openapi()
    names = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
