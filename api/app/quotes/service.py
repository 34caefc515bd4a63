"""What a basket costs today. An order takes the same way, so both say the same."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app import pricing
from app.problems import UnknownProduct
from app.products import service as catalogue
from app.quotes.schemas import BasketRequest


async def price(session: AsyncSession, request: BasketRequest) -> pricing.Basket:
    """Raises UnknownProduct."""
    known = await catalogue.items(session, {line.product_id for line in request.lines})
    for line in request.lines:
        if line.product_id not in known:
            raise UnknownProduct(f"There is no product {line.product_id}.")
    items = (replace(known[line.product_id], quantity=line.quantity) for line in request.lines)
    return pricing.price(items, request.country, request.coupon)
