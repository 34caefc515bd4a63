"""What a basket costs: whole cents, one currency, VAT by country. Pure; listing, quote and order share it.

A discount lowers the net amount of a line, VAT is taken from what is left, each rounded once, half up. Sums are sums of lines.
The volume discount is taken from what a coupon leaves; without it (flag `pricing-v2` off) all is as before there was one.
Rates: European Commission "Taxes in Europe" tables and the Swiss FTA, as of 2026; one standard and one reduced rate each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True)
class Rule:
    """What a discount code gives: a share of the price, or every so many-th piece. One of both."""

    percent_off: int | None = None
    free_every: int | None = None


# Until the flag `discount-codes` is on; then the table of that name says it.
RULES: Mapping[str, Rule] = {"WELCOME10": Rule(percent_off=10), "THREEFORTWO": Rule(free_every=3)}

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


def price(
    items: Iterable[Item], country: Country, coupon: str | None = None, *, rules: Mapping[str, Rule] = RULES, by_volume: bool = False
) -> Basket:
    """A coupon that no rule is for costs nothing and gives nothing."""
    rule = rules.get(code_of(coupon))
    return Basket(tuple(_line(item, country, rule, by_volume) for item in items))


def code_of(coupon: str | None) -> str:
    """A coupon is free text, as typed; its normal form is a discount code, if there is one of that name."""
    return (coupon or "").strip().upper()


def _line(item: Item, country: Country, rule: Rule | None, by_volume: bool) -> Line:
    discount_cents = _discount_cents(item, rule) if rule else 0
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


def _discount_cents(item: Item, rule: Rule) -> int:
    if rule.free_every:
        return item.unit_price_cents * (item.quantity // rule.free_every)
    return _rounded(item.unit_price_cents * item.quantity * (rule.percent_off or 0), 100)


def _rounded(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)
