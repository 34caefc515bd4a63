"""Flags in running stores on a real PostgreSQL: who hears of a change and when, and what holds while the database is away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

pytestmark = pytest.mark.real

ALL = ("flags:read", "flags:write", "flags:kill", "flags:freeze")
BASKET = {"country": "DE", "lines": [{"product_id": 1, "quantity": 10}]}
FLAG = "/api/ops/flags/pricing-v2"
WAIT_S = 20


class Ops(NamedTuple):
    client: httpx.Client

    def share(self, percentage: int, **more: Any) -> int:
        """Sets it whatever the version; returns the version of all flags."""
        flag = self.state()
        body = {"reason": "a test", "version": flag["version"], "percentage": {"variant": "on", "percentage": percentage}, **more}
        answer = self.client.patch(FLAG, json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["flags_version"])

    def state(self) -> dict[str, Any]:
        return next(flag for flag in self.client.get("/api/ops/flags").json()["flags"] if flag["key"] == "pricing-v2")

    def kill(self) -> int:
        return int(self.client.post(f"{FLAG}/kill", json={"reason": "a test"}).json()["flags_version"])


@pytest.fixture
def ops_of(database: Any, operator_token: Callable[..., str]) -> Iterator[Callable[[str], Ops]]:
    clients: list[httpx.Client] = []
    headers = {"authorization": f"Bearer {operator_token(database.url, *ALL)}"}

    def of(store: str) -> Ops:
        clients.append(httpx.Client(base_url=store, headers=headers, timeout=30))
        return Ops(clients[-1])

    yield of
    for client in clients:
        client.close()


def variant(store: str, user: str | None = "u0001") -> str:
    answer = httpx.post(f"{store}/api/quotes", json=BASKET, headers={"x-client-id": user} if user else {}, timeout=30)
    return answer.headers["x-variants"].removeprefix("pricing-v2=")


def metric(store: str, name: str) -> float:
    lines = httpx.get(f"{store}/metrics", timeout=30).text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


def until(wanted: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not wanted():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def end_connections(database: Any, name: str = "slipway-flags") -> None:
    database.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}' AND datname = current_database()"
    )


def test_quote_and_order_follow_the_flag_and_an_order_stays(database: Any, serve: Callable[..., str], ops_of: Callable[[str], Ops]) -> None:
    store = serve(database.url)
    ops = ops_of(store)
    until(lambda: variant(store) == "off")
    until_version(store, ops.share(100))
    with httpx.Client(base_url=store, headers={"x-client-id": "u0001"}, timeout=30) as shopper:
        quote = shopper.post("/api/quotes", json=BASKET).json()
        order = shopper.post("/api/orders", json=BASKET, headers={"idempotency-key": "k"})
        assert (quote["discount_cents"], quote["volume_discount_cents"], quote["net_cents"]) == (8900, 8900, 80_100)
        assert {name: order.json()[name] for name in quote} == quote
        assert shopper.get(f"/api/orders/{order.json()['id']}").json() == order.json()
        assert variant(store, None) == "off"  # nobody known is in no percentage
        until_version(store, ops.kill())
        again = shopper.post("/api/orders", json=BASKET, headers={"idempotency-key": "k"})
        assert (again.status_code, again.json()) == (200, order.json())
        assert "x-variants" not in again.headers  # it was priced then
        assert variant(store) == "default"
        other = shopper.post("/api/orders", json=BASKET, headers={"idempotency-key": "k2"}).json()
        assert (other["discount_cents"], other["net_cents"]) == (0, 89_000)


def until_version(store: str, version: int) -> None:
    until(lambda: metric(store, "flag_snapshot_version") >= version)


def test_rules_see_the_country(database: Any, serve: Callable[..., str], ops_of: Callable[[str], Ops]) -> None:
    store = serve(database.url)
    ops = ops_of(store)
    flag = ops.state()
    only_french = {**flag["definition"], "targeting": {"if": [{"==": [{"var": "country"}, "FR"]}, "on", "off"]}}
    changed = ops.client.put(FLAG, json={"reason": "France first", "version": 1, "definition": only_french}).json()
    until_version(store, changed["flags_version"])
    headers = {"x-client-id": "u0001"}
    got = {
        country: httpx.post(f"{store}/api/quotes", json={**BASKET, "country": country}, headers=headers).json()["volume_discount_cents"]
        for country in ("FR", "DE")
    }
    assert got == {"FR": 8900, "DE": 0}


def test_a_failed_answer_names_its_variants_and_is_counted_with_them(database: Any, serve: Callable[..., str]) -> None:
    store = serve(database.url)
    assert variant(store) == "off"
    database.sql("ALTER TABLE products RENAME TO products_gone")
    answer = httpx.post(f"{store}/api/quotes", json=BASKET, headers={"x-client-id": "u0001"})
    assert (answer.status_code, answer.headers["x-variants"]) == (500, "pricing-v2=off")
    counted = [
        line for line in httpx.get(f"{store}/metrics").text.splitlines() if line.startswith("http_requests_total") and '"500"' in line
    ]
    assert counted == ['http_requests_total{method="POST",route="/api/quotes",status="500",variants="pricing-v2=off"} 1.0']


def test_a_kill_reaches_all_instances_under_load_and_no_answer_after_it_says_on(
    database: Any, serve: Callable[..., str], ops_of: Callable[[str], Ops]
) -> None:
    """Order, not speed: once an instance says that it heard of the kill, none of its later answers is on."""
    stores = [serve(database.url), serve(database.url)]
    ops = ops_of(stores[0])
    for _ in range(3):
        version = ops.share(100, state="ENABLED")
        for store in stores:
            until_version(store, version)
        measured = asyncio.run(kill_under_load(stores, ops))
        print("last 'on' began at an instance after the kill's answer, ms:", [round(1000 * late_s, 1) for late_s in measured])


async def kill_under_load(stores: list[str], ops: Ops) -> list[float]:
    """Per instance: how long after the answer to the kill its last request began that was still answered "on"."""
    asked: dict[str, list[tuple[float, str]]] = {store: [] for store in stores}
    stop = asyncio.Event()
    enough = asyncio.Event()

    async def shop(client: httpx.AsyncClient, store: str) -> None:
        while not stop.is_set():
            began_s = time.monotonic()
            answer = await client.post(f"{store}/api/quotes", json=BASKET, headers={"x-client-id": "u0001"})
            asked[store].append((began_s, answer.headers["x-variants"]))
            if all(len(those) > 20 for those in asked.values()):
                enough.set()

    async with httpx.AsyncClient(timeout=30) as client:
        shoppers = [asyncio.create_task(shop(client, store)) for store in stores for _ in range(3)]
        await enough.wait()
        version = await asyncio.to_thread(ops.kill)
        killed_s = time.monotonic()
        heard_s = {}
        for store in stores:
            await asyncio.to_thread(until_version, store, version)
            heard_s[store] = time.monotonic()
        before = {store: len(those) for store, those in asked.items()}
        async with asyncio.timeout(WAIT_S):
            while any(len(asked[store]) < before[store] + 20 for store in stores):
                await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*shoppers)
    for store in stores:
        assert {said for began_s, said in asked[store] if began_s < killed_s} >= {"pricing-v2=on"}
        assert {said for began_s, said in asked[store] if began_s > heard_s[store]} == {"pricing-v2=default"}
    return [max([0.0, *(began_s - killed_s for began_s, said in asked[store] if said == "pricing-v2=on")]) for store in stores]


def test_a_lost_notification_is_found_by_the_poll(database: Any, serve: Callable[..., str], ops_of: Callable[[str], Ops]) -> None:
    """As a change that somebody made by hand, past the API: nobody is told."""
    store = serve(database.url)
    assert variant(store) == "off"
    database.sql("UPDATE flags SET definition = jsonb_set(definition, '{defaultVariant}', '\"on\"')")
    until(lambda: variant(store) == "on")


def test_a_connection_that_ends_is_opened_again(database: Any, serve: Callable[..., str], ops_of: Callable[[str], Ops]) -> None:
    store = serve(database.url)
    ops = ops_of(store)
    for percentage in (100, 0):
        end_connections(database)
        until_version(store, ops.share(percentage))
        assert variant(store) == ("on" if percentage else "off")
    until(lambda: metric(store, "flag_snapshot_stale") == 0)


def test_a_broken_flag_in_the_table_takes_no_other_along(database: Any, serve: Callable[..., str]) -> None:
    database.sql("INSERT INTO flags VALUES ('broken', '{\"state\": 5}', 1)")
    assert variant(serve(database.url)) == "off"


def test_the_last_known_good_flags_outlive_database_and_restart(
    database: Any, serve: Callable[..., str], ops_of: Callable[[str], Ops], tmp_path: Path
) -> None:
    file = tmp_path / "flags" / "known.json"
    store = serve(database.url, SLIPWAY_FLAGS_FILE=str(file))
    version = ops_of(store).share(100)
    until_version(store, version)
    until(lambda: file.exists() and json.loads(file.read_text())["version"] == version)
    database.server.run("dropdb", "--force", database.name)
    until(lambda: metric(store, "flag_snapshot_stale") == 1)
    restarted = serve(database.url, SLIPWAY_FLAGS_FILE=str(file))
    for address in (store, restarted):
        got = httpx.post(f"{address}/ofrep/v1/evaluate/flags/pricing-v2", json={"context": {"targetingKey": "u0001"}}).json()
        assert (got["value"], got["variant"]) == (True, "on")
        assert metric(address, "flag_snapshot_stale") == 1
        answer = httpx.post(f"{address}/api/quotes", json=BASKET, headers={"x-client-id": "u0001"})
        assert (answer.status_code, answer.headers["x-variants"]) == (503, "pricing-v2=on")
    assert [path.name for path in file.parent.iterdir()] == ["known.json"]
    file.write_text("{")  # what is no snapshot is no reason not to start: the code's defaults hold
    bare = serve(database.url, SLIPWAY_FLAGS_FILE=str(file))
    assert httpx.post(f"{bare}/ofrep/v1/evaluate/flags/pricing-v2", json={}).status_code == 404


def test_a_file_that_cannot_be_written_costs_nothing(database: Any, serve: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("")
    assert variant(serve(database.url, SLIPWAY_FLAGS_FILE=str(tmp_path / "no-folder" / "known.json"))) == "off"
