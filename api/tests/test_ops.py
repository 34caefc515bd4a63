"""The ops API on a real PostgreSQL: who may, what is refused, and that nothing is ever half done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.ops.chain import broken_at

pytestmark = pytest.mark.real

ALL = ("flags:read", "flags:write", "flags:kill", "flags:freeze")
FLAG = "/api/ops/flags/pricing-v2"
COLOUR = {
    "state": "ENABLED",
    "variants": {"red": "#f00", "blue": "#00f"},
    "defaultVariant": "red",
    "metadata": {"owner": "store", "kind": "operations"},
}
TENTH = {"variant": "on", "percentage": 10}


@pytest.fixture
def store(database: Any, serve: Callable[..., str]) -> str:
    return serve(database.url)


@pytest.fixture
def ops(store: str, database: Any, operator_token: Callable[..., str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=store, headers=bearer(operator_token(database.url, *ALL)), timeout=30) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def patched(ops: httpx.Client, version: int, **changes: Any) -> httpx.Response:
    return ops.patch(FLAG, json={"reason": "a test", "version": version, **changes})


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def stored(database: Any) -> str:
    """All that a change touches."""
    return str(
        database.sql("SELECT * FROM flags ORDER BY key") + database.sql("SELECT * FROM flag_changes") + database.sql("TABLE flag_freeze")
    )


def test_who_may_and_who_may_not(store: str, database: Any, operator_token: Callable[..., str]) -> None:
    before = stored(database)
    reader, expired, revoked = (operator_token(database.url, "flags:read") for _ in range(3))
    database.sql(f"UPDATE ops_tokens SET expires_at = now() WHERE id = '{expired.split('_')[1]}'")
    database.sql(f"UPDATE ops_tokens SET revoked_at = now() WHERE id = '{revoked.split('_')[1]}'")
    with httpx.Client(base_url=store) as client:
        assert client.get("/api/ops/flags", headers=bearer(reader)).status_code == 200
        for token, word in (
            (expired, "expired"),
            (revoked, "revoked"),
            (reader[:-1] + "x", "Send"),
            (f"slw_{'0' * 16}_{'0' * 64}", "not known"),
        ):
            answer = client.get("/api/ops/flags", headers=bearer(token))
            assert problem(answer) == (401, "not-authorised")
            assert word in answer.json()["detail"]
            assert answer.headers["www-authenticate"] == "Bearer"
        other = reader[:-1] + ("0" if reader[-1] != "0" else "1")
        assert problem(client.get("/api/ops/flags", headers=bearer(other))) == (401, "not-authorised")
        assert problem(client.get("/api/ops/flags")) == (401, "not-authorised")
        because = {"reason": "a test"}
        for method, path, body in (
            ("POST", f"{FLAG}/kill", because),
            ("POST", "/api/ops/freeze", because),
            ("POST", "/api/ops/unfreeze", because),
            ("PATCH", FLAG, {**because, "version": 1, "percentage": TENTH}),
            ("PUT", FLAG, {**because, "version": 1, "definition": COLOUR}),
            ("POST", "/api/ops/definitions", {**because, "flags": {"colour": COLOUR}}),
        ):
            answer = client.request(method, path, json=body, headers=bearer(reader))
            assert problem(answer) == (403, "scope-missing"), path
            assert "flags:read" in answer.json()["detail"]
            assert problem(client.request(method, path, json=body)) in {(401, "not-authorised"), (429, "too-many-tries")}
    assert stored(database) == before


def test_failed_tries_are_few_and_hold_up_nobody_who_is_known(store: str, database: Any, operator_token: Callable[..., str]) -> None:
    good = bearer(operator_token(database.url, "flags:read"))
    with httpx.Client(base_url=store) as client:
        assert client.get("/api/ops/flags", headers=good).status_code == 200
        tries = [client.get("/api/ops/flags", headers=bearer(f"slw_{number:016x}_{'0' * 64}")) for number in range(40)]
        assert {answer.status_code for answer in tries[:20]} == {401}
        refused = [answer for answer in tries if answer.status_code == 429]
        assert len(refused) > 5
        assert {(problem(answer)[1], answer.headers["retry-after"]) for answer in refused} == {("too-many-tries", "1")}
        assert client.get("/api/ops/flags", headers=good).status_code == 200


def test_secrets_are_stored_as_hashes_only(database: Any, operator_token: Callable[..., str]) -> None:
    secret = operator_token(database.url, "flags:read").split("_")[2]
    assert secret not in database.sql("TABLE ops_tokens")


def test_each_change_says_who_why_what_and_is_chained(ops: httpx.Client) -> None:
    changed = patched(ops, 1, percentage=TENTH).json()
    assert (changed["flag"]["version"], changed["flags_version"]) == (2, 1)
    assert ops.put("/api/ops/flags/colour", json={"reason": "new", "version": 0, "definition": COLOUR}).status_code == 200
    assert ops.post(f"{FLAG}/kill", json={"reason": "wrong totals"}).json()["flag"]["killed"]
    assert ops.post("/api/ops/freeze", json={"reason": "rollback"}).json()["frozen"]["actor"] == "on-call"
    assert ops.post("/api/ops/unfreeze", json={"reason": "cured"}).json() == {"frozen": None, "flags_version": 5}
    state = ops.get("/api/ops/flags").json()
    assert (state["version"], state["frozen"], [flag["key"] for flag in state["flags"]]) == (
        5,
        None,
        ["colour", "discount-codes", "pricing-v2"],
    )
    entries = state["changes"][::-1]
    assert [(entry["action"], entry["flag"], entry["reason"], entry["actor"]) for entry in entries] == [
        ("flag_set", "pricing-v2", "a test", "on-call"),
        ("flag_set", "colour", "new", "on-call"),
        ("flag_killed", "pricing-v2", "wrong totals", "on-call"),
        ("flags_frozen", None, "rollback", "on-call"),
        ("flags_unfrozen", None, "cured", "on-call"),
    ]
    assert entries[0]["new"]["targeting"] == {"fractional": [["on", 10], ["off", 90]]}
    assert (entries[2]["old"]["state"], entries[2]["new"]["state"]) == ("ENABLED", "DISABLED")
    assert broken_at(entries) is None
    for field, value in (("reason", "another"), ("actor", "nobody"), ("new", None), ("seq", 9)):
        assert broken_at([entries[0], {**entries[1], field: value}, *entries[2:]]) == 2
    assert broken_at([entries[0], *entries[2:]]) == 2


def test_changes_come_in_pages(ops: httpx.Client) -> None:
    for number in range(5):
        patched(ops, number + 1, percentage={"variant": "on", "percentage": number})
    first = ops.get("/api/ops/changes?limit=2").json()
    second = ops.get("/api/ops/changes", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["seq"] for item in first["items"] + second["items"]] == [5, 4, 3, 2, 1]
    assert second["next_cursor"] is None
    assert problem(ops.get("/api/ops/changes?cursor=x")) == (422, "invalid-request")


def test_bad_input_is_told_apart_and_changes_nothing(ops: httpx.Client, database: Any) -> None:
    before = stored(database)
    good = ops.get("/api/ops/definitions").json()["flags"]["pricing-v2"]

    def put(definition: Any, key: str = "pricing-v2", version: int = 1) -> httpx.Response:
        return ops.put(f"/api/ops/flags/{key}", json={"reason": "a test", "version": version, "definition": definition})

    assert problem(ops.post("/api/ops/flags/nope/kill", json={"reason": "a test"})) == (404, "unknown-flag")
    assert problem(ops.patch("/api/ops/flags/nope", json={"reason": "a test", "version": 1, "state": "ENABLED"})) == (404, "unknown-flag")
    for percentage in (-1, 101, 10.5, "10", True, None):
        answer = patched(ops, 1, percentage={"variant": "on", "percentage": percentage})
        assert problem(answer) == (422, "invalid-request"), percentage
        assert answer.json()["faults"][0]["where"] == "body.percentage.percentage"
    assert problem(patched(ops, 1, percentage={"variant": "maybe", "percentage": 10})) == (422, "bad-definition")
    assert problem(patched(ops, 1, default_variant="maybe")) == (422, "bad-definition")
    assert problem(patched(ops, 1)) == (422, "invalid-request")
    answer = put({**good, "targeting": {"fractional": [["on", 120], ["off", -20]]}})
    assert problem(answer) == (422, "bad-definition")
    assert answer.json()["faults"] == [{"where": "targeting.fractional", "what": "A percentage should be a whole number from 0 to 100"}]
    assert "boolean, not string" in put(COLOUR).json()["faults"][0]["what"]
    assert problem(put({**good, "variants": {"on": True, "off": "no"}})) == (422, "bad-definition")
    assert problem(put(COLOUR, "colour", version=3)) == (409, "changed-meanwhile")
    assert problem(put(COLOUR, "Colour", version=0)) == (422, "invalid-request")
    assert problem(put(good, version=0)) == (409, "changed-meanwhile")
    for reason in ("", " ", "a\nb", "x" * 501):
        assert problem(ops.post(f"{FLAG}/kill", json={"reason": reason})) == (422, "invalid-request")
    assert problem(ops.post(f"{FLAG}/kill", json={"reason": "a", "force": True})) == (422, "invalid-request")
    deep = ops.put(FLAG, content='{"reason": "a", "version": 1, "definition": {"targeting": ' + '{"!":[' * 3000 + "1" + "]}" * 3000 + "}}")
    assert deep.status_code in {400, 422}
    surrogate = ops.put(FLAG, content=json.dumps({"reason": "a", "version": 1, "definition": {**good, "x": "\ud800\0"}}))
    assert surrogate.status_code == 422
    assert stored(database) == before


def test_a_flag_keeps_its_type(ops: httpx.Client) -> None:
    assert ops.put("/api/ops/flags/colour", json={"reason": "new", "version": 0, "definition": COLOUR}).status_code == 200
    number = {**COLOUR, "variants": {"red": 1}}
    answer = ops.put("/api/ops/flags/colour", json={"reason": "a test", "version": 1, "definition": number})
    assert problem(answer) == (422, "bad-definition")
    assert "of type string" in answer.json()["faults"][0]["what"]


def test_an_import_with_one_bad_entry_applies_nothing(ops: httpx.Client, database: Any) -> None:
    before = stored(database)
    good = ops.get("/api/ops/definitions").json()["flags"]
    changed = {"pricing-v2": {**good["pricing-v2"], "defaultVariant": "on"}, "colour": COLOUR}
    bad = {**changed, "zebra": {**COLOUR, "defaultVariant": "green"}}
    answer = ops.post("/api/ops/definitions", json={"reason": "a test", "flags": bad})
    assert problem(answer) == (422, "bad-definition")
    assert answer.json()["faults"] == [{"where": "flags.zebra.defaultVariant", "what": "Should be one of blue, red"}]
    assert stored(database) == before
    done = ops.post("/api/ops/definitions", json={"reason": "a test", "flags": changed}).json()
    assert done == {"changed": ["colour", "pricing-v2"], "flags_version": 2}
    assert ops.get("/api/ops/definitions").json()["flags"] == {**good, **changed}
    assert ops.post("/api/ops/definitions", json={"reason": "again", "flags": changed}).json() == {"changed": [], "flags_version": 2}


def test_frozen_means_no_change_but_a_kill(ops: httpx.Client, database: Any) -> None:
    ops.post("/api/ops/freeze", json={"reason": "rollback of abc"})
    assert ops.post("/api/ops/freeze", json={"reason": "once more"}).json()["frozen"]["reason"] == "rollback of abc"
    before = stored(database)
    refused = [
        patched(ops, 1, percentage=TENTH),
        ops.put("/api/ops/flags/colour", json={"reason": "new", "version": 0, "definition": COLOUR}),
        ops.post("/api/ops/definitions", json={"reason": "a test", "flags": {"colour": COLOUR}}),
    ]
    assert {problem(answer) for answer in refused} == {(423, "flags-frozen")}
    assert all("on-call froze all flags: rollback of abc" in answer.json()["detail"] for answer in refused)
    assert stored(database) == before
    assert ops.post(f"{FLAG}/kill", json={"reason": "still wrong"}).status_code == 200
    killed = stored(database)
    assert ops.post(f"{FLAG}/kill", json={"reason": "really"}).json()["flag"]["killed"]
    assert stored(database) == killed  # killed twice is killed
    assert problem(patched(ops, 2, state="ENABLED")) == (423, "flags-frozen")  # and nobody brings it back
    ops.post("/api/ops/unfreeze", json={"reason": "cured"})
    assert not patched(ops, 2, state="ENABLED").json()["flag"]["killed"]


def test_two_writers_at_once_and_a_freeze_among_them(store: str, database: Any, operator_token: Callable[..., str]) -> None:
    """Of those who saw the same version one wins; after the freeze none does; the chain has no gap and no fork."""
    headers = bearer(operator_token(database.url, *ALL))

    async def story() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=store, headers=headers, timeout=60) as client:
            for version in range(1, 6):
                body = {"reason": "a race", "version": version, "percentage": {"variant": "on", "percentage": version}}
                answers = await asyncio.gather(*(client.patch(FLAG, json=body) for _ in range(4)))
                assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
            writers = [client.patch(FLAG, json={"reason": "a race", "version": 6, "state": "ENABLED"}) for _ in range(3)]
            return list(await asyncio.gather(*writers, client.post("/api/ops/freeze", json={"reason": "now"})))

    *written, frozen = asyncio.run(story())
    assert frozen.status_code == 200
    assert {answer.status_code for answer in written} <= {200, 409, 423}
    entries = json.loads(database.sql("SELECT json_agg(c ORDER BY seq) FROM flag_changes c"))
    assert broken_at(entries) is None
    after = [entry["action"] for entry in entries if entry["seq"] > next(e["seq"] for e in entries if e["action"] == "flags_frozen")]
    assert after == []


def test_a_kill_gets_through_when_shoppers_hold_every_connection(
    database: Any, serve: Callable[..., str], operator_token: Callable[..., str]
) -> None:
    """As when the bug behind the flag is a slow statement."""
    store = serve(database.url, SLIPWAY_POOL_SIZE="1")
    headers = bearer(operator_token(database.url, "flags:kill"))

    async def story() -> tuple[int, int]:
        async with httpx.AsyncClient(base_url=store, timeout=60) as client:
            lock = await asyncio.create_subprocess_exec(
                *(str(database.server.programs / "psql"), "-qX", "-h", "127.0.0.1", "-p", str(database.server.port)),
                *("-U", "postgres", "-d", database.name, "-c", "BEGIN; LOCK products; SELECT pg_sleep(20)"),
            )
            while (
                database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'products'::regclass AND mode = 'AccessExclusiveLock'") != "1"
            ):
                await asyncio.sleep(0.05)
            waiting = [asyncio.create_task(client.get("/api/products")) for _ in range(4)]
            while database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'products'::regclass AND NOT granted") == "0":
                await asyncio.sleep(0.05)
            killed = await client.post(f"{FLAG}/kill", json={"reason": "slow"}, headers=headers)
            unanswered = sum(not task.done() for task in waiting)
            lock.kill()
            await lock.wait()
            await asyncio.gather(*waiting)
            return killed.status_code, unanswered

    status, unanswered = asyncio.run(story())
    assert status == 200
    assert unanswered > 0
