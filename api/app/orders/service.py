"""Orders: the same client and key never make two, however often and however concurrently they are sent."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or_conflict
from sqlalchemy.ext.asyncio import AsyncSession

from app import codes, cursor, pricing
from app.flags.use import Flags
from app.orders.schemas import Order, OrderPage
from app.problems import KeyReused, NotFound
from app.quotes import service as quotes
from app.quotes.schemas import BasketRequest, PricedLine
from app.tables import AnyRow, order_lines, orders


class Sender(NamedTuple):
    """Who sends an order, and under which key."""

    client_id: str
    idempotency_key: str


class Placed(NamedTuple):
    order: Order
    replayed: bool


async def place(session: AsyncSession, sender: Sender, request: BasketRequest, flags: Flags) -> Placed:
    """Raises UnknownProduct, KeyReused."""
    earlier = await _sent_before(session, sender, request, flags)
    if earlier is not None:  # looked up before pricing: a replay is answered even if the catalogue has changed since
        return Placed(earlier, replayed=True)
    order = await _insert(session, sender, request, flags)
    if order is not None:
        return Placed(order, replayed=False)
    earlier = await _sent_before(session, sender, request, flags)  # another request with this key committed while we priced
    assert earlier is not None
    return Placed(earlier, replayed=True)


async def one(session: AsyncSession, client_id: str, order_id: UUID, flags: Flags) -> Order:
    """Raises NotFound, for orders of others too."""
    found = select(orders).where(orders.c.id == order_id, orders.c.client_id == client_id)
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise NotFound(f"You have no order {order_id}.")
    return (await _with_lines(session, [row], flags))[0]


async def page(session: AsyncSession, client_id: str, limit: int, after: str | None, flags: Flags) -> OrderPage:
    """The client's orders, newest first. Raises InvalidRequest for a cursor that is none of ours."""
    own = select(orders).where(orders.c.client_id == client_id)
    if after is not None:
        own = own.where(tuple_(orders.c.created_at, orders.c.id) < tuple_(*cursor.decode(after)))
    newest_first = own.order_by(orders.c.created_at.desc(), orders.c.id.desc())
    rows = (await session.execute(newest_first.limit(limit + 1))).all()
    shown = rows[:limit]
    more = len(rows) > limit
    return OrderPage(
        items=await _with_lines(session, shown, flags),
        next_cursor=cursor.encode(shown[-1].created_at, shown[-1].id) if more else None,
    )


async def _sent_before(session: AsyncSession, sender: Sender, request: BasketRequest, flags: Flags) -> Order | None:
    same_key = select(orders).where(orders.c.client_id == sender.client_id, orders.c.idempotency_key == sender.idempotency_key)
    row = (await session.execute(same_key)).one_or_none()
    if row is None:
        return None
    if row.request_hash != fingerprint(request):
        raise KeyReused
    return (await _with_lines(session, [row], flags))[0]


async def _insert(session: AsyncSession, sender: Sender, request: BasketRequest, flags: Flags) -> Order | None:
    """None where the key is taken. While another transaction holds the key, PostgreSQL makes us wait for its end."""
    basket = await quotes.price(session, request, flags, sender.client_id)
    row = (
        await session.execute(
            insert_or_conflict(orders)
            .values(
                **sender._asdict(),
                request_hash=fingerprint(request),
                country=request.country,
                coupon=request.coupon,
                discount_code=await codes.known(session, request.coupon),
                currency=pricing.CURRENCY,
                discount_cents=basket.discount_cents,
                volume_discount_cents=basket.volume_discount_cents,
                net_cents=basket.net_cents,
                tax_cents=basket.tax_cents,
            )
            .on_conflict_do_nothing(index_elements=[orders.c.client_id, orders.c.idempotency_key])
            .returning(*orders.c)
        )
    ).one_or_none()
    if row is None:
        return None
    lines = [{"order_id": row.id, "line_number": number, **asdict(line)} for number, line in zip(count(1), basket.lines, strict=False)]
    await session.execute(insert(order_lines), lines)
    return _order(row, [PricedLine.model_validate(line, from_attributes=True) for line in basket.lines], flags)


def fingerprint(request: BasketRequest) -> str:
    """Fields that are not set are left out: a release that adds an optional field still knows yesterday's requests."""
    return hashlib.sha256(request.model_dump_json(exclude_none=True).encode()).hexdigest()


async def _with_lines(session: AsyncSession, rows: Sequence[AnyRow], flags: Flags) -> list[Order]:
    of_these = select(order_lines).where(order_lines.c.order_id.in_([row.id for row in rows]))
    lines: dict[UUID, list[PricedLine]] = defaultdict(list)
    for line in await session.execute(of_these.order_by(order_lines.c.order_id, order_lines.c.line_number)):
        lines[line.order_id].append(_line(line))
    return [_order(row, lines[row.id], flags) for row in rows]


def _line(row: AnyRow) -> PricedLine:
    return PricedLine(**{**row._mapping, "gross_cents": row.net_cents + row.tax_cents})


def _order(row: AnyRow, lines: list[PricedLine], flags: Flags) -> Order:
    return Order(**{**row._mapping, "coupon": _coupon(row, flags), "lines": lines, "gross_cents": row.net_cents + row.tax_cents})


def _coupon(row: AnyRow, flags: Flags) -> str | None:
    """As it was typed; once coupons are read as codes, the code that it meant. Releases without the column have written the code alone."""
    if row.coupon is None and row.discount_code is None:
        return None
    by_code = flags.discount_codes(row.client_id, row.country)
    shown: str | None = row.discount_code if by_code else row.coupon or row.discount_code
    return shown
