"""Bounded kinds of input that several features take."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from app.pricing import Country

INT4_MAX = 2_147_483_647
PAGE_MAX = 100


def whole(value: Any) -> Any:
    """JSON Schema's integer: 3.0 is one; true and "3" are none. Neither of pydantic's modes says so."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("whole_number", "Input should be a whole number")


WholeNumber = BeforeValidator(whole)  # named after the bounds, or the bounds are lost from the OpenAPI document
ProductId = Annotated[int, Path(ge=1, le=INT4_MAX, examples=[7])]
ForCountry = Annotated[Country, Query(examples=["FR"], description="Where the goods go; it decides the VAT.")]
PageSize = Annotated[int, Query(ge=1, le=PAGE_MAX)]
PageCursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
ClientId = Annotated[
    str,
    Header(
        alias="x-client-id", pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["u0001"], description="Stable id of the user; owner of orders."
    ),
]
KnownClientId = Annotated[
    str | None,
    Header(
        alias="x-client-id", pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["u0001"], description="Stable id of the user, where there is one."
    ),
]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,128}$",
        examples=["u0001-first-basket"],
        description="Sent again with the same body, it brings the same order.",
    ),
]
Cents = Annotated[int, Field(ge=0)]
