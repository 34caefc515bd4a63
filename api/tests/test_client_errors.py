"""What browsers report is counted within bounds, logged within narrower ones, and keeps nothing of a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from app.bounds import Allowance, Names
from app.client_errors import service
from app.client_errors.schemas import ClientReport
from app.client_errors.service import impersonal

REPORT = {"build": "1.0123456789ab", "kind": "error", "where": "/checkout", "message": "x is undefined"}


def send(store: FastAPI, *reports: dict[str, Any] | str, content_types: Iterable[str] = repeat("application/json")) -> list[int]:
    async def all_of_them() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(store), base_url="http://store") as client:
            bodies = (report if isinstance(report, str) else json.dumps(report) for report in reports)
            posts = [
                client.post("/api/client-errors", content=body, headers={"content-type": kind})
                for body, kind in zip(bodies, content_types, strict=False)
            ]
            return [(await post).status_code for post in posts]

    return asyncio.run(all_of_them())


def note(**changes: Any) -> None:
    service.note(ClientReport.model_validate({**REPORT, **changes}))


def counted() -> dict[str, float]:
    """Series of browsers' reports, as /metrics shows them."""
    lines = (line for line in generate_latest().decode().splitlines() if line.startswith("store_client_") and "_created" not in line)
    return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines)}


def growth(work: Callable[[], object]) -> dict[str, float]:
    before = counted()
    work()
    return {series: value - before.get(series, 0) for series, value in counted().items() if value != before.get(series, 0)}


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["event"] == "client_error"]


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "allowance", Allowance(service.LOGGED_AT_ONCE_MAX, service.LOGGED_PER_S_MAX))
    monkeypatch.setattr(service, "builds", Names(service.BUILDS_MAX))


def test_views_and_broken_views_make_a_share(store: FastAPI) -> None:
    view = {"build": "1.a", "kind": "view", "where": "/"}
    broken = {**REPORT, "build": "1.a", "first": True}
    reports = [view, view, view, broken, {**broken, "kind": "api", "first": False, "count": 900}]
    assert growth(lambda: send(store, *reports)) == {
        'store_client_reports_total{build="1.a",kind="view"}': 3,
        'store_client_reports_total{build="1.a",kind="error"}': 1,
        'store_client_reports_total{build="1.a",kind="api"}': 1,  # a report, however often it happened in one browser
        'store_client_broken_views_total{build="1.a"}': 1,
    }


def test_a_view_is_never_a_broken_one() -> None:
    assert growth(lambda: note(kind="view", first=True)) == {'store_client_reports_total{build="1.0123456789ab",kind="view"}': 1}


@pytest.mark.thorough
def test_only_what_breaks_a_whole_page_is_answered_202(store: FastAPI) -> None:
    """The gate counts these answers, at the edge."""
    first = {**REPORT, "first": True}
    assert send(store, first, REPORT, {**first, "first": False}, {**first, "kind": "view"}) == [202, 204, 204, 204]
    paths = store.openapi()["paths"]
    assert [path for path, methods in paths.items() for op in methods.values() if "202" in op["responses"]] == ["/api/client-errors"]


def test_a_break_is_one_line_and_a_view_is_none(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(store, {**REPORT, "correlation_id": "of-the-call-that-failed", "count": 3}, {**REPORT, "kind": "view"}) == [204, 204]
    (line,) = logged(capsys)
    assert {name: line[name] for name in REPORT} == REPORT
    assert (line["count"], line["about_correlation_id"], line["level"]) == (3, "of-the-call-that-failed", "warning")
    assert line["correlation_id"] != line["about_correlation_id"]


def test_a_flood_is_counted_and_not_logged(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    grown = growth(lambda: [note() for _ in range(500)])
    lines = len(logged(capsys))
    assert grown['store_client_reports_total{build="1.0123456789ab",kind="error"}'] == 500
    assert service.LOGGED_AT_ONCE_MAX <= lines < 500
    assert grown["store_client_reports_unlogged_total"] == 500 - lines


def test_made_up_builds_share_one_name() -> None:
    grown = growth(lambda: [note(build=f"made-up-{number}", kind="view") for number in range(30)])
    assert len(grown) == service.BUILDS_MAX + 1
    assert grown['store_client_reports_total{build="other",kind="view"}'] == 30 - service.BUILDS_MAX


@pytest.mark.parametrize(
    "wrong",
    [
        {"build": "a b"},
        {"build": ""},
        {"build": "a" * 65},
        {"kind": "other"},
        {"where": "/orders?mail=a@example.org"},
        {"where": "/" * 101},
        {"where": ""},
        {"message": "a" * 1001},
        {"message": None},
        {"message": "\ud800"},
        {"correlation_id": "short"},
        {"count": 0},
        {"count": 1001},
        {"count": "1"},
        {"count": True},
        {"first": "yes"},
        {"first": 1},
    ],
)
def test_what_is_out_of_bounds_is_refused_and_not_counted(store: FastAPI, wrong: dict[str, Any]) -> None:
    statuses: list[int] = []
    assert growth(lambda: statuses.extend(send(store, {**REPORT, **wrong}))) == {}
    assert statuses == [422]


def test_json_only_and_bounded(store: FastAPI) -> None:
    kinds = ["text/plain;charset=UTF-8", "application/json; charset=utf-8"]
    assert send(store, REPORT, REPORT, content_types=kinds) == [422, 204]


def test_a_body_that_is_none_of_ours(store: FastAPI) -> None:
    assert send(store, "{", json.dumps({**REPORT, "more": "x" * 70_000})) == [400, 413]


def test_a_newer_client_may_say_more(store: FastAPI) -> None:
    assert send(store, {**REPORT, "device": {"memory_gb": 8}}, {**REPORT, "correlation_id": None}) == [204, 204]


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("x is undefined", "x is undefined"),
        ("GET https://shop.example/orders?mail=a@example.org&x=1#top failed", "GET https://shop.example/orders<query> failed"),
        ("no mail to jane.doe@example.org.", "no mail to <mail>"),
        ("card 4111111111111111 refused with 402", "card <number> refused with 402"),
        ("a" * 300, "a" * 200),
        ("4111" * 60, "<number>"),  # not cut before it is read
        ("@" * 1000, "@" * 200),
    ],
)
def test_nothing_of_a_person_is_logged(message: str, kept: str) -> None:
    assert impersonal(message) == kept


def test_the_log_has_the_plain_message_only(store: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    send(store, {**REPORT, "message": "lost: jane@example.org /api/orders?key=secret"})
    out = capsys.readouterr().out
    assert "jane" not in out
    assert "secret" not in out
    assert "lost: <mail> /api/orders<query>" in out


def test_an_allowance_refills_with_time_and_not_beyond_its_size() -> None:
    allowance = Allowance(at_once=2, per_s=0.5)
    assert [allowance.take(100.0) for _ in range(3)] == [True, True, False]
    assert [allowance.take(now_s) for now_s in (101.9, 102.0, 102.0)] == [False, True, False]
    assert [allowance.take(9999.0) for _ in range(3)] == [True, True, False]


def test_names_are_kept_in_the_order_they_came() -> None:
    names = Names(at_most=2)
    assert [names.label(name) for name in ("a", "b", "c", "a", "c", "b")] == ["a", "b", "other", "a", "other", "b"]
