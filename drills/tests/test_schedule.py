"""Who arrives when, from where, and what they do. Shares are counted over many arrivals of a fixed seed."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from drill.load.schedule import MIX_PCT, Arrival, Plan
from drill.load.shop import ORDERS_KEPT, Shop
from drill.load.users import COUNTRY_PCT, country, user_id

pytestmark = pytest.mark.thorough

MANY = 20_000


def arrivals(count=MANY, **plan):
    return list(islice(Plan(**{"rate_per_s": 120, "users": 2000, "seed": 1, **plan}).arrivals(), count))


def test_arrivals_come_at_constant_distance_however_slow_the_store_is():
    assert [arrival.at_s for arrival in arrivals(4, rate_per_s=4)] == [0, 0.25, 0.5, 0.75]
    assert arrivals()[-1].at_s == pytest.approx((MANY - 1) / 120), "no drift after many"


def test_the_mix_of_operations():
    counted = Counter(arrival.op for arrival in arrivals())
    for op, share in MIX_PCT.items():
        assert counted[op] / MANY == pytest.approx(share / 100, abs=0.015), op


def test_countries_of_all_users():
    counted = Counter(country(user_id(number)) for number in range(1, 2001))
    for name, share in COUNTRY_PCT.items():
        assert counted[name] / 2000 == pytest.approx(share / 100, abs=0.015), name


def test_users_are_drawn_evenly_and_all_come():
    counted = Counter(arrival.user for arrival in arrivals(60_000))
    assert len(counted) == 2000
    assert max(counted.values()) < 2.2 * 30
    assert set(counted) <= {user_id(number) for number in range(1, 2001)}


def test_the_same_seed_gives_the_same_history_and_another_seed_another():
    assert arrivals(500) == arrivals(500)
    assert arrivals(500) != arrivals(500, seed=2)


def test_each_arrival_has_a_key_of_its_own():
    assert len({arrival.key for arrival in arrivals()}) == MANY


# What they send.


def arrival(op, dice=0.5, user="u0001"):
    return Arrival(0.0, user, op, dice, "a-key")


def test_an_order_carries_its_key_and_its_user():
    request = Shop([1, 2, 3]).request(arrival("order"))
    assert request.headers() == {"x-client-id": "u0001", "Idempotency-Key": "a-key"}
    assert request.body is not None
    assert request.body["country"] == country("u0001")


def test_a_quote_has_no_key():
    assert "Idempotency-Key" not in Shop([1]).request(arrival("quote")).headers()


@pytest.mark.parametrize("dice", [0.0, 0.123, 0.5, 0.999999])
def test_a_basket_names_each_product_once(dice):
    lines = Shop([7, 8, 9]).request(arrival("quote", dice)).body["lines"]
    products = [line["product_id"] for line in lines]
    assert len(products) == len(set(products))
    assert set(products) <= {7, 8, 9}
    assert all(1 <= line["quantity"] <= 3 for line in lines)


def test_reading_an_order_means_an_own_one_and_a_list_where_there_is_none():
    shop = Shop([1])
    assert shop.request(arrival("order_get")).op == "list"
    shop.ordered("u0001", "41")
    assert shop.request(arrival("order_get")).path == "/api/orders/41"
    assert shop.request(arrival("order_get", user="u0002")).op == "list"


def test_what_is_remembered_per_user_is_bounded():
    shop = Shop([1])
    for number in range(1000):
        shop.ordered("u0001", str(number))
    assert len(shop.orders["u0001"]) == ORDERS_KEPT
    assert shop.orders["u0001"][-1] == "999"
