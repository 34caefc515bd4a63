from __future__ import annotations

from fastapi import APIRouter

from app.database import Transaction
from app.fields import ForCountry, ProductId
from app.pricing import Country
from app.problems import DatabaseAway, InternalError, InvalidRequest, NotFound, Overloaded, documented
from app.products import service
from app.products.schemas import Product, ProductPage

router = APIRouter(tags=["products"], responses=documented(InvalidRequest, InternalError, DatabaseAway, Overloaded))


@router.get("/api/products")
async def list_products(transaction: Transaction, country: ForCountry = Country.DE) -> ProductPage:
    return await service.page(transaction, country)


@router.get("/api/products/{product_id}", responses=documented(NotFound))
async def get_product(transaction: Transaction, product_id: ProductId, country: ForCountry = Country.DE) -> Product:
    return await service.one(transaction, product_id, country)
