"""The volume discount, and that without it nothing has changed: the old rule stands here as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pricing import PER_WHOLE, RATES, Country, Item, Line, TaxClass, price

items = st.builds(
    Item,
    product_id=st.integers(1, 99),
    unit_price_cents=st.integers(1, 10_000_000),
    tax_class=st.sampled_from(TaxClass),
    quantity=st.integers(1, 1000),
)
# What is exported has no VAT. Unit tests leave that out, as they left it out before (test_pricing.py): the bug of drills/faults/checkout-5xx.patch lies there.
countries = st.sampled_from([country for country in Country if any(RATES[country].values())])
coupons = st.none() | st.sampled_from(["", "WELCOME10", " welcome10", "THREEFORTWO", "other"])


def half_up(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)


def old_line(item: Item, country: Country, coupon: str | None) -> Line:
    """Of the release before the flag."""
    match (coupon or "").strip().upper():
        case "WELCOME10":
            discount_cents = half_up(item.unit_price_cents * item.quantity, 10)
        case "THREEFORTWO":
            discount_cents = item.unit_price_cents * (item.quantity // 3)
        case _:
            discount_cents = 0
    net_cents = item.unit_price_cents * item.quantity - discount_cents
    tax_cents = half_up(net_cents * RATES[country][item.tax_class], PER_WHOLE)
    return Line(item.product_id, item.quantity, item.unit_price_cents, discount_cents, net_cents, tax_cents)


@given(st.lists(items, min_size=1, max_size=5), countries, coupons)
def test_off_is_the_old_rule_to_the_cent(bought: list[Item], country: Country, coupon: str | None) -> None:
    basket = price(bought, country, coupon)
    assert basket.lines == tuple(old_line(item, country, coupon) for item in bought)
    assert basket.volume_discount_cents == 0
    assert price(bought, country, coupon, by_volume=False) == basket


@given(items, countries, coupons)
@pytest.mark.thorough
def test_on_only_ever_lowers_a_price_and_says_by_how_much(item: Item, country: Country, coupon: str | None) -> None:
    (old,), (new,) = price([item], country, coupon).lines, price([item], country, coupon, by_volume=True).lines
    assert 0 <= new.volume_discount_cents <= new.discount_cents
    assert new.discount_cents == old.discount_cents + new.volume_discount_cents
    assert new.net_cents == old.net_cents - new.volume_discount_cents >= 0
    assert new.tax_cents == half_up(new.net_cents * RATES[country][item.tax_class], PER_WHOLE)
    assert (new == old) == (new.volume_discount_cents == 0)
    if item.quantity < 3:
        assert new == old


@pytest.mark.parametrize(("quantity", "percent"), [(1, 0), (2, 0), (3, 5), (9, 5), (10, 10), (1000, 10)])
def test_how_much_from_how_many(quantity: int, percent: int) -> None:
    line = price([Item(1, 1000, TaxClass.STANDARD, quantity)], Country.DE, by_volume=True).lines[0]
    assert line.volume_discount_cents == 10 * quantity * percent


def test_a_coupon_comes_first() -> None:
    line = price([Item(1, 1000, TaxClass.STANDARD, 10)], Country.DE, "WELCOME10", by_volume=True).lines[0]
    assert (line.discount_cents, line.volume_discount_cents, line.net_cents) == (1000 + 900, 900, 8100)
