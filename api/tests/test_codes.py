"""Coupons as text and as codes: both are written, and the flag `discount-codes` says which is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pricing import Country, Item, Rule, TaxClass, price

ON = """
INSERT INTO flag_changes (seq, at, actor, action, flag, reason, prev, hash)
SELECT coalesce(max(seq), 0) + 1, '', 'test', 'flag_set', 'discount-codes', 'a test', 'p', 'h' FROM flag_changes;
UPDATE flags SET definition = jsonb_set(definition, '{defaultVariant}', '"on"') WHERE key = 'discount-codes'
"""


@given(st.integers(1, 10_000_000), st.integers(1, 1000))
def test_a_rule_of_the_table_gives_what_the_text_gave(unit_price_cents: int, quantity: int) -> None:
    bought = [Item(1, unit_price_cents, TaxClass.STANDARD, quantity)]
    for code, rule in {"WELCOME10": Rule(10, None), "THREEFORTWO": Rule(None, 3)}.items():
        assert price(bought, Country.DE, code, rules={code: rule}) == price(bought, Country.DE, code)


def order(store: str, coupon: str | None, key: str) -> dict[str, Any]:
    basket = {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}], **({} if coupon is None else {"coupon": coupon})}
    answer = httpx.post(f"{store}/api/orders", json=basket, headers={"x-client-id": "u0001", "idempotency-key": key}, timeout=30)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


@pytest.mark.real
def test_both_are_written_and_as_typed_is_what_is_read(database: Any, serve: Callable[..., str]) -> None:
    store = serve(database.url)
    for number, (coupon, code) in enumerate({" welcome10": "WELCOME10", "GRANDMA": "", "ß": "", " ": ""}.items()):
        made = order(store, coupon, f"k{number}")
        assert made["coupon"] == coupon
        assert database.sql(f"SELECT discount_code FROM orders WHERE id = '{made['id']}'") == code
    assert order(store, None, "none")["coupon"] is None


@pytest.mark.real
def test_with_the_flag_on_the_table_says_what_a_code_gives(database: Any, serve: Callable[..., str]) -> None:
    old = order(serve(database.url), "welcome10", "before")
    database.sql(
        f"INSERT INTO discount_codes VALUES ('HALF', 50, NULL); UPDATE discount_codes SET percent_off = 20 WHERE percent_off = 10; {ON}"
    )
    store = serve(database.url)
    assert (
        httpx.post(f"{store}/api/quotes", json={"country": "DE", "lines": [{"product_id": 1, "quantity": 1}]}).headers["x-variants"]
        == "pricing-v2=off"
    )
    new, unknown, half = order(store, "welcome10", "k1"), order(store, "GRANDMA", "k2"), order(store, "half ", "k3")
    assert (old["coupon"], new["coupon"], unknown["coupon"], half["coupon"]) == ("welcome10", "WELCOME10", None, "HALF")
    assert (old["discount_cents"], new["discount_cents"], unknown["discount_cents"], half["discount_cents"]) == (890, 1780, 0, 4450)
    again = order(store, "welcome10", "before")  # as it was priced then, shown as it is read now
    assert again == {**old, "coupon": "WELCOME10"}
    page = httpx.get(f"{store}/api/orders", headers={"x-client-id": "u0001"}, timeout=30)
    assert [one["coupon"] for one in page.json()["items"]] == ["HALF", None, "WELCOME10", "WELCOME10"]
    assert page.headers["x-variants"] == "discount-codes=on"
