"""Discount codes, as their table has them: what a typed coupon means."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.pricing import Rule, code_of
from app.tables import discount_codes


async def rules(session: AsyncSession, coupon: str | None) -> dict[str, Rule]:
    """The rule for this coupon by its code; empty where it means nothing."""
    code = code_of(coupon)
    if not code:
        return {}
    row = (await session.execute(select(discount_codes).where(discount_codes.c.code == code))).one_or_none()
    return {} if row is None else {row.code: Rule(row.percent_off, row.free_every)}


async def known(session: AsyncSession, coupon: str | None) -> str | None:
    """What is kept of a coupon beside its text: its code, where there is one."""
    return next(iter(await rules(session, coupon)), None)
