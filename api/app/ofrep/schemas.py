"""The OpenFeature Remote Evaluation Protocol, 0.3, as its clients speak it. Its names are its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Value = bool | str | int | float | dict[str, Any] | list[Any]


class EvaluationContext(BaseModel):
    """`targetingKey` is the stable `x-client-id`; rules may ask for further fields, as `country`."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": {"targetingKey": "u0001", "country": "FR"}})

    targetingKey: Annotated[str | None, Field(max_length=200)] = None  # noqa: N815


class EvaluationRequest(BaseModel):
    context: EvaluationContext = EvaluationContext()


class Evaluation(BaseModel):
    """Without `value` and `variant` the flag is killed: the caller's own default holds."""

    key: str
    reason: str
    value: Value | None = None
    variant: str | None = None
    metadata: dict[str, bool | str | int | float]


class FailedEvaluation(BaseModel):
    key: str
    errorCode: str  # noqa: N815
    errorDetails: str  # noqa: N815


class Endpoint(BaseModel):
    requestUri: str  # noqa: N815


class EventStream(BaseModel):
    type: str
    endpoint: Endpoint


class BulkEvaluation(BaseModel):
    flags: list[Evaluation | FailedEvaluation]
    eventStreams: list[EventStream]  # noqa: N815
    metadata: dict[str, bool | str | int | float]
