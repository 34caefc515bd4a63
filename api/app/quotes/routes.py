from __future__ import annotations

from fastapi import APIRouter

from app.database import Transaction
from app.fields import KnownClientId
from app.flags.use import AskFlags
from app.problems import (
    BodyTooLarge,
    DatabaseAway,
    InternalError,
    InvalidRequest,
    MalformedBody,
    Overloaded,
    UnknownProduct,
    documented,
)
from app.quotes import service
from app.quotes.schemas import BasketRequest, Quote

router = APIRouter(
    tags=["quotes"],
    responses=documented(MalformedBody, UnknownProduct, BodyTooLarge, InvalidRequest, InternalError, DatabaseAway, Overloaded),
)


@router.post("/api/quotes")
async def make_quote(transaction: Transaction, flags: AskFlags, basket: BasketRequest, client_id: KnownClientId = None) -> Quote:
    """Without a client id nobody is in a percentage of users: then the default variant of a flag holds."""
    return Quote.of(await service.price(transaction, basket, flags, client_id), basket)
