"""Whole cents, rounded once per line, half up."""

import pytest

from app.pricing import Country, Item, TaxClass, price, tax_cents


@pytest.mark.parametrize(
    ("net_cents", "country", "tax_class", "tax"),
    [
        (10_000, Country.DE, TaxClass.STANDARD, 1900),
        (10_000, Country.DE, TaxClass.REDUCED, 700),
        (1000, Country.FR, TaxClass.REDUCED, 55),
        (1000, Country.CH, TaxClass.STANDARD, 81),
        (99, Country.GB, TaxClass.STANDARD, 20),  # 19.8
        (1010, Country.GB, TaxClass.REDUCED, 51),  # 50.5, half up
        (50, Country.DE, TaxClass.STANDARD, 10),  # 9.5, half up
        (7, Country.DE, TaxClass.STANDARD, 1),  # 1.33
        (2, Country.DE, TaxClass.STANDARD, 0),  # 0.38
        (0, Country.FR, TaxClass.STANDARD, 0),
        (999_999_999_999, Country.NL, TaxClass.STANDARD, 210_000_000_000),  # beyond what a float keeps exact after rounding
    ],
)
def test_tax_is_rounded_half_up(net_cents: int, country: Country, tax_class: TaxClass, tax: int) -> None:
    assert tax_cents(net_cents, country, tax_class) == tax


def test_a_basket_is_the_sum_of_its_lines() -> None:
    basket = price([Item(1, 333, TaxClass.STANDARD, 3), Item(2, 50, TaxClass.REDUCED, 1)], Country.DE)
    assert [(line.net_cents, line.tax_cents, line.gross_cents) for line in basket.lines] == [(999, 190, 1189), (50, 4, 54)]
    assert (basket.net_cents, basket.tax_cents, basket.gross_cents, basket.discount_cents) == (1049, 194, 1243, 0)


@pytest.mark.parametrize("coupon", ["WELCOME10", "welcome10", "  Welcome10 "])
def test_a_tenth_off_before_tax_however_it_is_typed(coupon: str) -> None:
    line = price([Item(1, 1005, TaxClass.STANDARD, 1)], Country.FR, coupon).lines[0]
    assert (line.discount_cents, line.net_cents, line.tax_cents) == (101, 904, 181)


@pytest.mark.parametrize(("quantity", "free"), [(1, 0), (2, 0), (3, 1), (5, 1), (6, 2)])
def test_every_third_piece_is_free(quantity: int, free: int) -> None:
    basket = price([Item(1, 700, TaxClass.STANDARD, quantity)], Country.DE, "THREEFORTWO")
    assert basket.discount_cents == 700 * free
    assert basket.net_cents == 700 * (quantity - free)


@pytest.mark.parametrize("coupon", [None, "", "WELCOME11", "none"])
def test_another_coupon_changes_nothing(coupon: str | None) -> None:
    assert price([Item(1, 700, TaxClass.STANDARD)], Country.DE, coupon) == price([Item(1, 700, TaxClass.STANDARD)], Country.DE)
