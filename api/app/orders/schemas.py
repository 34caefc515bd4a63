from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.quotes.schemas import Totals


class Order(Totals):
    """A quote that was accepted, as it was priced then."""

    id: UUID
    created_at: datetime


class OrderPage(BaseModel):
    items: list[Order]
    next_cursor: str | None
