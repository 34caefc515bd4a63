"""Orders on a real PostgreSQL: never lost, never doubled, never another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.real

BASKET = {"country": "FR", "lines": [{"product_id": 3, "quantity": 2}, {"product_id": 7, "quantity": 3}], "coupon": "welcome10"}
Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def store(database: Any, serve: Callable[..., str]) -> str:
    return serve(database.url)


@asynccontextmanager
async def shopper(address: str, client_id: str = "u0001") -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(base_url=address, headers={"x-client-id": client_id}, limits=limits, timeout=30) as client:
        yield client


def order(client: httpx.AsyncClient, key: str, basket: dict[str, Any] = BASKET) -> Awaitable[httpx.Response]:
    return client.post("/api/orders", json=basket, headers={"idempotency-key": key})


def test_listing_quote_and_order_agree(store: str) -> None:
    async def story() -> None:
        async with shopper(store) as client:
            listed = {item["id"]: item for item in (await client.get("/api/products?country=FR")).json()["items"]}
            alone = (await client.get("/api/products/7?country=FR")).json()
            assert listed[7] == alone
            assert (alone["price_cents"], alone["tax_cents"], alone["gross_cents"]) == (1890, 104, 1994)  # 5.5 %
            quote = (await client.post("/api/quotes", json=BASKET)).json()
            placed = (await order(client, "k")).json()
            assert {name: placed[name] for name in quote} == quote
            assert (quote["net_cents"], quote["tax_cents"], quote["gross_cents"]) == (9063, 1073, 10136)
            assert (await client.get(f"/api/orders/{placed['id']}")).json() == placed

    asyncio.run(story())


@pytest.mark.parametrize("country", ["AT", "CH", "DE", "FR", "GB", "NL", "US"])
def test_every_product_has_a_price_everywhere(store: str, country: str) -> None:
    items = httpx.get(f"{store}/api/products?country={country}").json()["items"]
    assert len(items) == 12
    assert all(item["gross_cents"] == item["price_cents"] + item["tax_cents"] for item in items)


def test_the_same_key_at_once_is_one_order(store: str, database: Any) -> None:
    async def story() -> None:
        async with shopper(store) as client:
            for number in range(10):
                answers = await asyncio.gather(*(order(client, f"key-{number}") for _ in range(8)))
                statuses = sorted(answer.status_code for answer in answers)
                assert statuses == [200] * 7 + [201]
                assert len({answer.text for answer in answers}) == 1
                assert [answer.headers.get("idempotent-replayed") for answer in answers].count("true") == 7

    asyncio.run(story())
    assert database.sql("SELECT count(*), count(DISTINCT idempotency_key) FROM orders") == "10|10"
    assert database.sql("SELECT count(*) FROM order_lines") == "20"


def test_a_key_belongs_to_one_client_and_one_body(store: str, database: Any) -> None:
    async def story() -> None:
        async with shopper(store, "one") as one, shopper(store, "two") as two:
            assert (await order(one, "k")).status_code == 201
            assert (await order(two, "k")).status_code == 201
            other = await order(one, "k", {**BASKET, "coupon": None})
            assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")

    asyncio.run(story())
    assert database.sql("SELECT count(*) FROM orders") == "2"


def test_a_replay_is_answered_when_the_catalogue_has_changed(store: str, database: Any) -> None:
    async def story() -> None:
        async with shopper(store) as client:
            first = await order(client, "k")
            database.sql("UPDATE products SET price_cents = price_cents + 100")
            again = await order(client, "k")
            assert (again.status_code, again.json()) == (200, first.json())
            assert (await order(client, "k2")).json()["gross_cents"] > first.json()["gross_cents"]

    asyncio.run(story())


def test_an_acknowledged_order_is_committed(store: str, database: Any) -> None:
    """Read back by another connection at the very moment of the answer, again and again."""

    async def story() -> None:
        async with shopper(store) as client:
            for number in range(15):
                made = (await order(client, str(number))).json()["id"]
                assert database.sql(f"SELECT count(*) FROM orders WHERE id = '{made}'") == "1"

    asyncio.run(story())


def test_a_commit_that_fails_is_no_acknowledgement(store: str, database: Any) -> None:
    database.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'at commit'; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
    )

    async def story() -> httpx.Response:
        async with shopper(store) as client:
            return await order(client, "k")

    assert asyncio.run(story()).status_code == 500
    assert database.sql("SELECT count(*) FROM orders") == "0"


def test_pages_hold_every_order_once_newest_first(store: str, database: Any) -> None:
    async def story() -> None:
        async with shopper(store) as client, shopper(store, "another") as another:
            made = [(await order(client, str(number))).json()["id"] for number in range(7)]
            database.sql("UPDATE orders SET created_at = now() WHERE idempotency_key IN ('2', '3', '4')")  # same moment: the id decides
            await order(another, "mine")
            seen, cursor = [], None
            while True:
                page = (await client.get("/api/orders", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
                seen += [(item["created_at"], item["id"]) for item in page["items"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
                assert len(page["items"]) == 2
            assert seen == sorted(seen, reverse=True)
            assert sorted(order_id for _, order_id in seen) == sorted(made)

    asyncio.run(story())


def test_orders_of_others_are_not_found(store: str) -> None:
    async def story() -> None:
        async with shopper(store, "one") as one, shopper(store, "two") as two:
            made = (await order(one, "k")).json()["id"]
            assert (await two.get(f"/api/orders/{made}")).status_code == 404
            assert (await two.get("/api/orders")).json() == {"items": [], "next_cursor": None}

    asyncio.run(story())


def test_what_the_shop_does_not_sell(store: str, database: Any) -> None:
    async def story() -> None:
        async with shopper(store) as client:
            unknown = {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}, {"product_id": 99, "quantity": 1}]}
            for answer in (await client.post("/api/quotes", json=unknown), await order(client, "k", unknown)):
                assert (answer.status_code, answer.json()["type"]) == (409, "/problems/unknown-product")
            assert (await client.get("/api/products/99")).status_code == 404

    asyncio.run(story())
    assert database.sql("SELECT count(*) FROM orders") == "0"


def test_the_largest_basket_fits(store: str) -> None:
    async def story() -> None:
        async with shopper(store) as client:
            largest = {"country": "NL", "lines": [{"product_id": 4, "quantity": 1000}] * 50}
            placed = await order(client, "k", largest)
            assert placed.status_code == 201
            assert len(placed.json()["lines"]) == 50

    asyncio.run(story())
