"""Evaluates flags for browsers: the same snapshot and the same rules as for our own code."""

from __future__ import annotations

import hashlib

from openfeature import evaluation_context as openfeature
from openfeature.exception import OpenFeatureError
from openfeature.flag_evaluation import FlagResolutionDetails
from starlette.types import Scope

from app.flags import variants
from app.flags.definitions import type_name
from app.flags.metrics import EVALUATIONS
from app.flags.snapshot import Snapshot
from app.ofrep.schemas import BulkEvaluation, Endpoint, Evaluation, EvaluationContext, EventStream, FailedEvaluation
from app.problems import EvaluationFailed, UnknownFlag

EVENTS = "/ofrep/v1/events"


def one(snapshot: Snapshot, key: str, context: openfeature.EvaluationContext, scope: Scope) -> Evaluation | FailedEvaluation:
    """Raises UnknownFlag."""
    if key not in snapshot.flags:
        raise UnknownFlag(f"There is no flag {key}.")
    try:
        got = _resolved(snapshot, key, context)
    except OpenFeatureError as error:
        variants.note(scope, key, None)
        return FailedEvaluation(key=key, errorCode=str(error.error_code.value), errorDetails=error.error_message or "")
    except Exception as error:  # whatever a rule makes of what it is given: one flag must not take the others along
        variants.note(scope, key, None)
        return FailedEvaluation(key=key, errorCode="GENERAL", errorDetails=type(error).__name__)
    variants.note(scope, key, got.variant)
    EVALUATIONS.labels(key, got.variant or variants.DEFAULT).inc()
    value = got.value if got.variant else None
    return Evaluation(key=key, reason=str(got.reason), value=value, variant=got.variant, metadata=dict(got.flag_metadata))


def strictly(got: Evaluation | FailedEvaluation) -> Evaluation:
    """Raises EvaluationFailed."""
    if isinstance(got, FailedEvaluation):
        raise EvaluationFailed(f"{got.errorCode}: {got.errorDetails}")
    return got


def _resolved(snapshot: Snapshot, key: str, context: openfeature.EvaluationContext) -> FlagResolutionDetails:  # type: ignore[type-arg]
    core, value = snapshot.core, next(iter(snapshot.flags[key]["variants"].values()))
    match type_name(value):
        case "boolean":
            return core.resolve_boolean_value(key, False, context)
        case "string":
            return core.resolve_string_value(key, "", context)
        case "number":
            return core.resolve_float_value(key, 0.0, context)
        case _:
            return core.resolve_object_value(key, {}, context)


def all_of_them(snapshot: Snapshot, context: openfeature.EvaluationContext, scope: Scope) -> BulkEvaluation:
    return BulkEvaluation(
        flags=[one(snapshot, key, context, scope) for key in sorted(snapshot.flags)],
        eventStreams=[EventStream(type="sse", endpoint=Endpoint(requestUri=EVENTS))],
        metadata={},
    )


def asked_by(context: EvaluationContext, release: str) -> openfeature.EvaluationContext:
    return openfeature.EvaluationContext(context.targetingKey, {**(context.model_extra or {}), "release": release})


def etag(body: str) -> str:
    return f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
