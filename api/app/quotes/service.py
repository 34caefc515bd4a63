"""What a basket costs today. An order takes the same way, so both say the same."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app import pricing
from app.flags.use import Flags
from app.problems import UnknownProduct
from app.products import service as catalogue
from app.quotes.schemas import BasketRequest


async def price(session: AsyncSession, request: BasketRequest, flags: Flags, client_id: str | None) -> pricing.Basket:
    """The same client in the same country has the same rule in a quote and in an order. Raises UnknownProduct."""
    by_volume = flags.pricing_v2(client_id, request.country)
    known = await catalogue.items(session, {line.product_id for line in request.lines})
    for line in request.lines:
        if line.product_id not in known:
            raise UnknownProduct(f"There is no product {line.product_id}.")
    items = (replace(known[line.product_id], quantity=line.quantity) for line in request.lines)
    return pricing.price(items, request.country, request.coupon, by_volume=by_volume)
