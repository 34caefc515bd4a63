"""OFREP as browsers speak it: evaluations with their ETag, and a stream that tells of changes, is bounded, and ends when it should."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.flags.feed import Feed
from app.flags.provider import SnapshotProvider
from app.flags.snapshot import Snapshot
from app.ofrep import stream
from app.ofrep.stream import EventStreams
from app.problems import Overloaded

ALL = "/ofrep/v1/evaluate/flags"
EVENTS = "/ofrep/v1/events"
USER = {"context": {"targetingKey": "u0001", "country": "DE"}}
DEFINITION = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {"owner": "store", "kind": "operations"},
}


@pytest.fixture
def store(database: Any, serve: Callable[..., str]) -> str:
    return serve(database.url)


@pytest.fixture
def ops(store: str, database: Any, operator_token: Callable[..., str]) -> Iterator[httpx.Client]:
    token = operator_token(database.url, "flags:read", "flags:write", "flags:kill")
    with httpx.Client(base_url=store, headers={"authorization": f"Bearer {token}"}, timeout=30) as client:
        yield client


@contextmanager
def events(store: str, known: str | None = None) -> Iterator[Iterator[dict[str, str]]]:
    """Of an open stream: its events as field -> value, comments left out."""
    headers = {"last-event-id": known} if known else {}
    with httpx.Client(timeout=60) as client, client.stream("GET", store + EVENTS, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


def _events(answer: httpx.Response) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in answer.iter_lines():
        if line and not line.startswith(":"):
            field, _, value = line.partition(": ")
            event[field] = value
        elif not line:
            if "data" in event:
                yield event
            event = {}


def kill(ops: httpx.Client) -> None:
    assert ops.post("/api/ops/flags/pricing-v2/kill", json={"reason": "a test"}).status_code == 200


@pytest.mark.real
def test_one_flag_and_all_of_them(store: str, ops: httpx.Client) -> None:
    one = httpx.post(f"{store}{ALL}/pricing-v2", json=USER)
    assert one.headers["x-variants"] == "pricing-v2=off"
    assert {name: one.json()[name] for name in ("key", "value", "variant", "reason")} == {
        "key": "pricing-v2",
        "value": False,
        "variant": "off",
        "reason": "STATIC",
    }
    all_of_them = httpx.post(store + ALL, json=USER)
    assert all_of_them.json()["flags"][1] == one.json()
    assert [flag["key"] for flag in all_of_them.json()["flags"]] == ["discount-codes", "pricing-v2"]
    assert all_of_them.json()["eventStreams"] == [{"type": "sse", "endpoint": {"requestUri": EVENTS}}]
    etag = all_of_them.headers["etag"]
    assert httpx.post(store + ALL, json=USER, headers={"if-none-match": etag}).status_code == 304
    with events(store) as told:
        known = json.loads(next(told)["data"])
        kill(ops)
        news = json.loads(next(told)["data"])
    assert {news["type"], known["type"]} == {"refetchEvaluation"}
    killed = httpx.post(store + ALL, params={"flagConfigEtag": news["etag"]}, json=USER, headers={"if-none-match": etag})
    flag = next(flag for flag in killed.json()["flags"] if flag["key"] == "pricing-v2")
    assert (flag["reason"], "value" in flag, "variant" in flag) == ("DISABLED", False, False)
    assert killed.headers["etag"] != etag
    assert killed.headers["x-variants"] == "discount-codes=off,pricing-v2=default"


@pytest.mark.real
def test_bad_questions_have_codes_that_clients_know(store: str) -> None:
    for path, body, status, code in (
        (f"{ALL}/nope", {}, 404, "FLAG_NOT_FOUND"),
        (ALL, {"context": 5}, 400, "INVALID_CONTEXT"),
        (f"{ALL}/pricing-v2", {"context": {"targetingKey": 5}}, 400, "INVALID_CONTEXT"),
    ):
        answer = httpx.post(store + path, json=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
        assert answer.json()["errorDetails"]
    assert httpx.post(store + ALL, content="{").status_code == 400


@pytest.mark.real
def test_a_stream_tells_what_was_missed_and_nothing_twice(store: str, ops: httpx.Client) -> None:
    with events(store) as told:
        first = next(told)
    kill(ops)  # while nobody listens
    with events(store, known=first["id"]) as told:
        second = next(told)
        assert second["id"] != first["id"]
        with events(store, known=second["id"]) as up_to_date:
            answer = ops.put("/api/ops/flags/another", json={"reason": "a test", "version": 0, "definition": DEFINITION})
            assert answer.status_code == 200
            third = next(up_to_date)
        assert third == next(told)
        assert third["id"] not in (first["id"], second["id"])


@pytest.mark.real
def test_another_instance_answers_as_of_the_change_that_a_browser_knows(
    ops: httpx.Client, database: Any, serve: Callable[..., str]
) -> None:
    store = serve(database.url)
    with httpx.Client(timeout=30) as browser:
        for version in range(1, 6):
            body = {"reason": "a test", "version": version, "percentage": {"variant": "on", "percentage": 100 * (version % 2)}}
            changed = ops.patch("/api/ops/flags/pricing-v2", json=body).json()
            known = f'"{changed["flags_version"]}-x"'
            got = browser.post(f"{store}{ALL}/pricing-v2", params={"flagConfigEtag": known}, json=USER).json()
            assert got["value"] is (version % 2 == 1)
        assert browser.post(store + ALL, params={"flagConfigEtag": '"999-x"'}, json=USER).status_code == 200  # bounded


@pytest.mark.real
def test_open_streams_end_at_sigterm(database: Any, tmp_path: Path) -> None:
    """This server would wait for open answers for ever."""
    environment = {**os.environ, "SLIPWAY_DATABASE_URL": database.url, "SLIPWAY_DIGEST": "sha256:" + "5" * 64, "SLIPWAY_REVISION": "test"}
    with socket.create_server(("127.0.0.1", 0)) as listening, (tmp_path / "log").open("w") as log:
        argv = [sys.executable, "-m", "uvicorn", "app.main:app", "--fd", str(listening.fileno())]
        api = Path(__file__).parents[1]
        process = subprocess.Popen(argv, cwd=api, env=environment, stdout=log, stderr=log, pass_fds=[listening.fileno()])
        try:
            with events(f"http://127.0.0.1:{listening.getsockname()[1]}") as told:
                next(told)
                process.send_signal(signal.SIGTERM)
                assert list(told) == []  # ended in order, not cut off
            assert process.wait(60) == -signal.SIGTERM
        finally:
            process.kill()
            process.wait()


def streams() -> EventStreams:
    return EventStreams(Feed("postgresql+asyncpg://nobody@127.0.0.1:9/none", SnapshotProvider(None)), asyncio.Event())


def test_who_knows_of_a_later_change_waits_for_it_within_bounds() -> None:
    async def story() -> tuple[int, int, bool]:
        feed = streams().feed
        waiting = asyncio.create_task(feed.reach(2, at_most_s=60))
        await feed._loaded(1, "{}")
        await asyncio.sleep(0)
        early = waiting.done()
        await feed._loaded(2, "{}")
        return (await waiting).version, (await feed.reach(9, at_most_s=0.01)).version, early

    assert asyncio.run(story()) == (2, 2, False)


def test_streams_are_bounded() -> None:
    full = streams()
    full.answer(None)
    full.open = stream.STREAMS_MAX
    with pytest.raises(Overloaded):
        full.answer(None)
    ending = streams()
    ending.stopping.set()
    with pytest.raises(Overloaded):
        ending.answer(None)


def test_a_quiet_stream_says_that_it_lives_and_a_slow_reader_gets_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)

    async def story() -> list[bytes]:
        open_one = streams()
        said = open_one._events(None)
        got = [await anext(said), await anext(said), await anext(said)]
        for version in (1, 2, 3):  # nobody reads meanwhile
            open_one.feed.provider.replace(Snapshot(version, {}))
        got.append(await anext(said))
        open_one.stopping.set()
        got += [part async for part in said]
        return got

    hello, first, quiet, newest, *rest = asyncio.run(story())
    assert hello.startswith(b": flags\nretry: ")
    assert b"refetchEvaluation" in first
    assert quiet == b": still here\n\n"
    assert b'id: "3-' in newest
    assert b"data" not in b"".join(rest)
