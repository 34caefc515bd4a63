"""What operators rely on: ids, logs, metrics, and a process that lives without its database."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.correlation import taken_or_made


def ask(store: FastAPI, *paths: str, **options: Any) -> list[httpx.Response]:
    async def all_of_them() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(store), base_url="http://store") as client:
            return [await client.get(path, **options) for path in paths]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("incoming", [None, "", "short", "x" * 65, "has space", 'quote"quote', "new\nline", "ümlaut-ümlaut"])
def test_an_invalid_correlation_id_is_replaced(incoming: str | None) -> None:
    assert taken_or_made(incoming) != incoming
    assert taken_or_made(incoming) != taken_or_made(incoming)


def test_a_valid_correlation_id_is_kept_in_answer_and_log(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    (answer,) = ask(store, "/livez", headers={"x-correlation-id": "from-the-caller.1"})
    assert answer.headers["x-correlation-id"] == "from-the-caller.1"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["route"], line["status"]) for line in lines] == [("request", "/livez", 200)]
    assert (lines[0]["correlation_id"], lines[0]["release"]) == ("from-the-caller.1", answer.headers["x-release"])


def test_a_bug_is_logged_once_with_its_traceback(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    @store.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("here")

    ask(store, "/broken")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["request_broke", "request"]
    assert "ZeroDivisionError: here" in lines[0]["exception"]
    assert lines[0]["correlation_id"] == lines[1]["correlation_id"]


def test_it_lives_without_its_database_but_is_not_ready(store: FastAPI) -> None:
    assert [answer.status_code for answer in ask(store, "/livez", "/version", "/readyz")] == [200, 200, 503]


def test_version_is_what_the_environment_said(store: FastAPI) -> None:
    (answer,) = ask(store, "/version")
    assert answer.json() == {"digest": f"sha256:{'ab' * 6}{'0' * 52}", "revision": "test"}


def test_labels_are_templates_however_many_addresses_are_asked(store: FastAPI) -> None:
    ask(store, *(f"/api/products/{number}" for number in range(1, 30)), *(f"/nowhere/{number}" for number in range(30)))
    (scrape,) = ask(store, "/metrics")
    routes = {line.split('route="')[1].split('"')[0] for line in scrape.text.splitlines() if line.startswith("http_requests_total{")}
    assert {"/api/products/{product_id}", "unmatched"} <= routes
    assert not {route for route in routes if route.endswith("1")}
