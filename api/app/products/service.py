"""The catalogue. It is small: one page holds it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import pricing
from app.fields import PAGE_MAX
from app.problems import NotFound
from app.products.schemas import Product, ProductPage
from app.tables import AnyRow, products


async def page(session: AsyncSession, country: pricing.Country) -> ProductPage:
    rows = await session.execute(select(products).order_by(products.c.id).limit(PAGE_MAX))
    return ProductPage(items=[_priced(row, country) for row in rows])


async def one(session: AsyncSession, product_id: int, country: pricing.Country) -> Product:
    row = (await session.execute(select(products).where(products.c.id == product_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no product {product_id}.")
    return _priced(row, country)


async def items(session: AsyncSession, product_ids: Collection[int]) -> dict[int, pricing.Item]:
    """What pricing needs to know of these products; those that do not exist are left out."""
    columns = select(products.c.id, products.c.price_cents, products.c.tax_class)
    rows = await session.execute(columns.where(products.c.id.in_(product_ids)))
    return {row.id: _item(row) for row in rows}


def _item(row: AnyRow) -> pricing.Item:
    return pricing.Item(row.id, row.price_cents, pricing.TaxClass(row.tax_class))


def _priced(row: AnyRow, country: pricing.Country) -> Product:
    line = pricing.price([_item(row)], country).lines[0]
    return Product(
        id=row.id,
        name=row.name,
        description=row.description,
        price_cents=line.net_cents,
        tax_cents=line.tax_cents,
        gross_cents=line.gross_cents,
        currency=pricing.CURRENCY,
    )
