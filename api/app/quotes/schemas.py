from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app import pricing
from app.fields import INT4_MAX, Cents, WholeNumber

VolumeDiscount = Annotated[Cents, Field(description="The part of `discount_cents` that is for the number of pieces, not for a coupon.")]

LINES_MAX = 50
QUANTITY_MAX = 1000


class BasketLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_id: Annotated[int, Field(ge=1, le=INT4_MAX), WholeNumber]
    quantity: Annotated[int, Field(ge=1, le=QUANTITY_MAX), WholeNumber]


class BasketRequest(BaseModel):
    """Unknown fields are refused: one that we ignored could be one that changes the price."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"country": "FR", "lines": [{"product_id": 3, "quantity": 2}], "coupon": "WELCOME10"}},
    )

    country: pricing.Country
    lines: Annotated[list[BasketLine], Field(min_length=1, max_length=LINES_MAX)]
    coupon: Annotated[str | None, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = None


class PricedLine(BaseModel):
    product_id: int
    quantity: int
    unit_price_cents: Cents
    discount_cents: Cents
    volume_discount_cents: VolumeDiscount
    net_cents: Cents
    tax_cents: Cents
    gross_cents: Cents


class Totals(BaseModel):
    country: pricing.Country
    coupon: str | None
    currency: str
    lines: list[PricedLine]
    discount_cents: Cents
    volume_discount_cents: VolumeDiscount
    net_cents: Cents
    tax_cents: Cents
    gross_cents: Cents


class Quote(Totals):
    @classmethod
    def of(cls, basket: pricing.Basket, request: BasketRequest) -> Self:
        return cls(
            country=request.country,
            coupon=request.coupon,
            currency=pricing.CURRENCY,
            lines=[PricedLine.model_validate(line, from_attributes=True) for line in basket.lines],
            discount_cents=basket.discount_cents,
            volume_discount_cents=basket.volume_discount_cents,
            net_cents=basket.net_cents,
            tax_cents=basket.tax_cents,
            gross_cents=basket.gross_cents,
        )
