"""Old clients: warned in time, then told plainly; whoever does not say how old it is, is answered as of today."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.clients import Farewell, KnownClients, Levels

ROOT = Path(__file__).parents[2]
DEPRECATED_AT = datetime(2026, 11, 1, tzinfo=UTC)
SUNSET_AT = datetime(2027, 1, 31, 1, 0, 0, tzinfo=timezone(timedelta(hours=1)))
LATER = Levels(now=3, oldest=2, farewells={2: Farewell(DEPRECATED_AT, SUNSET_AT)})
TOLD = ("deprecation", "sunset", "link")


def ask(app: Any, method: str, path: str, build: str | None, **options: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        headers = {"x-client-build": build} if build is not None else {}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://store") as client:
            return await client.request(method, path, headers=headers, **options)

    return asyncio.run(once())


@pytest.fixture
def later(store: FastAPI) -> KnownClients:
    """The store as it may be two levels on."""
    return KnownClients(store, LATER)


@pytest.mark.parametrize(
    "build",
    [None, "", "3.0123456789ab", "4.0123456789ab", "unknown", "2", "2.", ".a", "-1.a", "2.a b", "²a", "2.é", "99999.a", f"2.{'a' * 33}"],
)
def test_today_s_clients_and_those_who_do_not_say(later: KnownClients, build: str | None) -> None:
    """A newer one, too: after a rollback its tabs are still open."""
    answer = ask(later, "GET", "/api/nowhere", build.encode() if build else build)  # type: ignore[arg-type]
    assert answer.status_code == 404
    assert not set(TOLD) & set(answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/api/nowhere", 404), ("DELETE", "/api/orders", 405), ("POST", "/api/quotes", 422)]
)
def test_a_deprecated_one_is_answered_and_told(later: KnownClients, method: str, path: str, status: int) -> None:
    answer = ask(later, method, path, "2.0123456789ab")
    assert answer.status_code == status
    assert answer.headers["deprecation"] == "@1793491200"
    assert answer.headers["sunset"] == "Sun, 31 Jan 2027 00:00:00 GMT"
    assert answer.headers["link"] == '</openapi.json>; rel="successor-version"'


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/products"), ("GET", "/api/gone"), ("PUT", "/api/orders"), ("POST", "/api/quotes")]
)
@pytest.mark.parametrize("build", ["1.0123456789ab", "0.0", "0001.x"])
def test_one_that_is_too_old_is_told_so_whatever_it_asks(later: KnownClients, method: str, path: str, build: str) -> None:
    answer = ask(later, method, path, build, content="{")
    assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")
    assert (answer.json()["type"], answer.json()["status"]) == ("/problems/client-too-old", 410)
    assert answer.headers["cache-control"] == "no-store"
    assert not set(TOLD) & set(answer.headers)


@pytest.mark.parametrize("path", ["/livez", "/version", "/metrics", "/openapi.json"])
def test_operators_have_no_level(later: KnownClients, path: str) -> None:
    assert ask(later, "GET", path, "1.0123456789ab").status_code == 200


def test_the_refusal_is_logged_and_counted_like_any_answer(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(store, "GET", "/api/products", "0.0123456789ab")
    assert answer.status_code == 410
    assert {"x-correlation-id", "x-release"} <= set(answer.headers)
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["status"], line["client_build"]) == (410, "0.0123456789ab")


def test_no_build_in_the_log_that_is_none(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    ask(store, "GET", "/livez", "mail@example.org")
    assert "mail@example.org" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        {"now": 2, "oldest": 1, "farewells": {}},
        {"now": 1, "oldest": 1, "farewells": {1: Farewell(DEPRECATED_AT, SUNSET_AT)}},
        {"now": 2, "oldest": 1, "farewells": {1: Farewell(SUNSET_AT, DEPRECATED_AT)}},
    ],
)
def test_each_older_level_has_its_two_dates_in_order(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Levels(**wrong)


def test_no_page_of_another_origin_may_ask(store: FastAPI) -> None:
    asked = {
        "origin": "https://elsewhere.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }

    async def preflight() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(store), base_url="http://store") as client:
            return await client.options("/api/client-errors", headers=asked)

    answer = asyncio.run(preflight())
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.real
def test_three_generations_of_clients_at_a_later_release(database: Any, serve: Callable[..., str], tmp_path: Path) -> None:
    """This code with its levels moved on by two, served like any release."""
    later = tmp_path / "later"
    shutil.copytree(ROOT / "api" / "app", later / "api" / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (later / "db").mkdir()
    shutil.copyfile(ROOT / "db" / "schema.json", later / "db" / "schema.json")
    code = later / "api" / "app" / "clients.py"
    today = "LEVELS = Levels(now=1, oldest=1, farewells={})"
    moved_on = "LEVELS = Levels(3, 2, {2: Farewell(datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC))})"
    assert today in code.read_text(encoding="utf-8")
    code.write_text(code.read_text(encoding="utf-8").replace(today, moved_on), encoding="utf-8")

    address = serve(database.url, api=later / "api")
    answers = {
        level: httpx.get(f"{address}/api/products", headers={"x-client-build": f"{level}.0123456789ab"} if level else {})
        for level in (None, 1, 2, 3, 4)
    }
    assert {level: answer.status_code for level, answer in answers.items()} == {None: 200, 1: 410, 2: 200, 3: 200, 4: 200}
    assert [level for level, answer in answers.items() if "sunset" in answer.headers] == [2]
    assert answers[2].json() == answers[3].json()
    info = httpx.get(f"{address}/openapi.json").json()["info"]
    assert (info["version"], info["x-oldest-client-level"]) == ("3", 2)
