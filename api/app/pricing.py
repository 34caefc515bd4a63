"""What a basket costs: whole cents, one currency, VAT by country. Pure; listing, quote and order share it.

A discount lowers the net amount of a line, VAT is taken from what is left, each rounded once, half up. Sums are sums of lines.
The volume discount is taken from what a coupon leaves; without it (flag `pricing-v2` off) all is as before there was one.
Rates: European Commission "Taxes in Europe" tables and the Swiss FTA, as of 2026; one standard and one reduced rate each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

CURRENCY = "EUR"
PER_WHOLE = 10_000  # rates are in hundredths of a percent: 1900 is 19 %


class TaxClass(StrEnum):
    STANDARD = "standard"
    REDUCED = "reduced"


class Country(StrEnum):
    AT = "AT"
    CH = "CH"
    DE = "DE"
    FR = "FR"
    GB = "GB"
    NL = "NL"
    US = "US"


RATES = {
    Country.AT: {TaxClass.STANDARD: 2000, TaxClass.REDUCED: 1000},
    Country.CH: {TaxClass.STANDARD: 810, TaxClass.REDUCED: 260},
    Country.DE: {TaxClass.STANDARD: 1900, TaxClass.REDUCED: 700},
    Country.FR: {TaxClass.STANDARD: 2000, TaxClass.REDUCED: 550},
    Country.GB: {TaxClass.STANDARD: 2000, TaxClass.REDUCED: 500},
    Country.NL: {TaxClass.STANDARD: 2100, TaxClass.REDUCED: 900},
    Country.US: {TaxClass.STANDARD: 0, TaxClass.REDUCED: 0},  # exported without VAT; sales tax is the buyer's
}


# From so many pieces of one product on, so many percent off. The largest first.
VOLUME_DISCOUNTS = ((10, 10), (3, 5))


@dataclass(frozen=True)
class Item:
    """What is bought: a product as the catalogue has it, and how many."""

    product_id: int
    unit_price_cents: int
    tax_class: TaxClass
    quantity: int = 1


@dataclass(frozen=True)
class Line:
    product_id: int
    quantity: int
    unit_price_cents: int
    discount_cents: int
    net_cents: int
    tax_cents: int
    volume_discount_cents: int = 0  # a part of discount_cents

    @property
    def gross_cents(self) -> int:
        return self.net_cents + self.tax_cents


@dataclass(frozen=True)
class Basket:
    lines: tuple[Line, ...]

    @property
    def discount_cents(self) -> int:
        return sum(line.discount_cents for line in self.lines)

    @property
    def volume_discount_cents(self) -> int:
        return sum(line.volume_discount_cents for line in self.lines)

    @property
    def net_cents(self) -> int:
        return sum(line.net_cents for line in self.lines)

    @property
    def tax_cents(self) -> int:
        return sum(line.tax_cents for line in self.lines)

    @property
    def gross_cents(self) -> int:
        return self.net_cents + self.tax_cents


def price(items: Iterable[Item], country: Country, coupon: str | None = None, *, by_volume: bool = False) -> Basket:
    return Basket(tuple(_line(item, country, coupon, by_volume) for item in items))


def _line(item: Item, country: Country, coupon: str | None, by_volume: bool) -> Line:
    discount_cents = _discount_cents(item, coupon)
    volume_cents = _volume_discount_cents(item, discount_cents) if by_volume else 0
    discount_cents += volume_cents
    net_cents = item.unit_price_cents * item.quantity - discount_cents
    return Line(
        product_id=item.product_id,
        quantity=item.quantity,
        unit_price_cents=item.unit_price_cents,
        discount_cents=discount_cents,
        net_cents=net_cents,
        tax_cents=tax_cents(net_cents, country, item.tax_class),
        volume_discount_cents=volume_cents,
    )


def _volume_discount_cents(item: Item, coupon_cents: int) -> int:
    percent = next((percent for pieces, percent in VOLUME_DISCOUNTS if item.quantity >= pieces), 0)
    return _rounded((item.unit_price_cents * item.quantity - coupon_cents) * percent, 100)


def tax_cents(net_cents: int, country: Country, tax_class: TaxClass) -> int:
    """VAT on a net amount, rounded half up."""
    return _rounded(net_cents * RATES[country][tax_class], PER_WHOLE)


def _discount_cents(item: Item, coupon: str | None) -> int:
    """A coupon is free text, as typed. One that means nothing to us costs nothing and gives nothing."""
    match (coupon or "").strip().upper():
        case "WELCOME10":
            return _rounded(item.unit_price_cents * item.quantity, 10)
        case "THREEFORTWO":
            return item.unit_price_cents * (item.quantity // 3)
        case _:
            return 0


def _rounded(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)
