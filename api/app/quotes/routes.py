from __future__ import annotations

from fastapi import APIRouter

from app.database import Transaction
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
async def make_quote(transaction: Transaction, basket: BasketRequest) -> Quote:
    return Quote.of(await service.price(transaction, basket), basket)
