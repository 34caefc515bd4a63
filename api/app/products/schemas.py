from __future__ import annotations

from pydantic import BaseModel

from app.fields import Cents


class Product(BaseModel):
    """A product with its price in the country asked for. `price_cents` is net, `gross_cents` what a person pays."""

    id: int
    name: str
    description: str
    price_cents: Cents
    tax_cents: Cents
    gross_cents: Cents
    currency: str


class ProductPage(BaseModel):
    items: list[Product]
    next_cursor: str | None = None
