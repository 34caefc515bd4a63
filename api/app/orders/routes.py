from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from app.database import Transaction
from app.fields import ClientId, IdempotencyKey, PageCursor, PageSize
from app.flags.use import AskFlags
from app.orders import service
from app.orders.schemas import Order, OrderPage
from app.orders.service import Sender
from app.problems import (
    BodyTooLarge,
    DatabaseAway,
    InternalError,
    InvalidRequest,
    KeyReused,
    MalformedBody,
    NotFound,
    Overloaded,
    UnknownProduct,
    documented,
)
from app.quotes.schemas import BasketRequest

router = APIRouter(tags=["orders"], responses=documented(InvalidRequest, InternalError, DatabaseAway, Overloaded))

ITS_OWN_PAGE = {
    "get_order": {
        "operationId": "get_order",
        "parameters": {"path.order_id": "$response.body#/id", "header.x-client-id": "$request.header.x-client-id"},
    }
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Sent before: the order that was made then.",
        "model": Order,
        "headers": {"idempotent-replayed": {"schema": {"const": "true"}}},
        "links": ITS_OWN_PAGE,
    },
    201: {"description": "The order is made.", "links": ITS_OWN_PAGE},
    **documented(MalformedBody, UnknownProduct, BodyTooLarge, InvalidRequest, KeyReused),
}


@router.post("/api/orders", status_code=201, responses=ANSWERS)
async def place_order(
    transaction: Transaction, flags: AskFlags, client_id: ClientId, key: IdempotencyKey, basket: BasketRequest, response: Response
) -> Order:
    placed = await service.place(transaction, Sender(client_id, key), basket, flags)
    if placed.replayed:
        response.status_code = 200
        response.headers["idempotent-replayed"] = "true"
    return placed.order


@router.get("/api/orders")
async def list_orders(
    transaction: Transaction, flags: AskFlags, client_id: ClientId, limit: PageSize = 20, cursor: PageCursor = None
) -> OrderPage:
    return await service.page(transaction, client_id, limit, cursor, flags)


@router.get("/api/orders/{order_id}", responses=documented(NotFound))
async def get_order(transaction: Transaction, flags: AskFlags, client_id: ClientId, order_id: UUID) -> Order:
    return await service.one(transaction, client_id, order_id, flags)
