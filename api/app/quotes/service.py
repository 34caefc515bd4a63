"""What a basket costs today. An order takes the same way, so both say the same."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app import codes, pricing
from app.flags.use import Flags
from app.problems import UnknownProduct
from app.products import service as catalogue
from app.quotes.schemas import BasketRequest


async def price(session: AsyncSession, request: BasketRequest, flags: Flags, client_id: str | None) -> pricing.Basket:
    """The same client in the same country has the same rule in a quote and in an order. Raises UnknownProduct."""
    by_volume = flags.pricing_v2(client_id, request.country)
    by_code = bool(request.coupon) and flags.discount_codes(client_id, request.country)  # who types no coupon has no part in that flag
    rules = await codes.rules(session, request.coupon) if by_code else pricing.RULES
    known = await catalogue.items(session, {line.product_id for line in request.lines})
    for line in request.lines:
        if line.product_id not in known:
            raise UnknownProduct(f"There is no product {line.product_id}.")
    items = (replace(known[line.product_id], quantity=line.quantity) for line in request.lines)
    return pricing.price(items, request.country, request.coupon, rules=rules, by_volume=by_volume)
