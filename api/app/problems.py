"""What can go wrong, as RFC 9457 problem details: one class per problem, with a `type` that stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
OFREP = "/ofrep/"
FAULTS_MAX = 20
TEXT_MAX = 200

log = structlog.get_logger()


class Problem(HTTPException):
    """Base of all. Raise a subclass; the answer follows from it."""

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    error_code: ClassVar[str | None] = None  # OpenFeature's, where its clients ask

    def __init__(self, detail: str | None = None, *, faults: Sequence[dict[str, str]] = (), headers: dict[str, str] | None = None) -> None:
        super().__init__(self.status, detail or self.title, headers)
        self.faults = faults

    def answer(self) -> Response:
        document: dict[str, Any] = {"type": f"/problems/{self.slug}", "title": self.title, "status": self.status, "detail": self.detail}
        if self.faults:
            document["faults"] = self.faults
        if self.error_code:
            document |= {"errorCode": self.error_code, "errorDetails": self.detail}
        # A field name of the request may hold half a surrogate pair, which no UTF-8 can carry.
        content = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
        retry = {"retry-after": str(self.retry_after_s)} if self.retry_after_s else {}
        return Response(content, self.status, {**(self.headers or {}), **retry}, MEDIA_TYPE)


class MalformedBody(Problem):
    status, slug, title = 400, "malformed-body", "The body is not JSON."


class InvalidContext(Problem):
    # OFREP names its errors by codes, which its clients read.
    status, slug, title, error_code = 400, "invalid-context", "The request does not fit its description.", "INVALID_CONTEXT"


class EvaluationFailed(Problem):
    status, slug, title, error_code = 400, "evaluation-failed", "This flag's rules break on this context.", "GENERAL"


class NotAuthorised(Problem):
    status, slug, title = 401, "not-authorised", "This takes a token of the ops API that is still good."


class ScopeMissing(Problem):
    status, slug, title = 403, "scope-missing", "This token may not do that."


class NotFound(Problem):
    status, slug, title = 404, "not-found", "There is nothing here."


class UnknownFlag(Problem):
    status, slug, title, error_code = 404, "unknown-flag", "There is no such flag.", "FLAG_NOT_FOUND"


class MethodNotAllowed(Problem):
    status, slug, title = 405, "method-not-allowed", "This address does not take that method."


class UnknownProduct(Problem):
    status, slug, title = 409, "unknown-product", "The shop does not sell this product."


class ChangedMeanwhile(Problem):
    status, slug, title = 409, "changed-meanwhile", "Somebody else changed this flag since you looked."


class ClientTooOld(Problem):
    # What it asks for is gone for good, for clients of its level. Not 426: that must name a protocol to switch to (RFC 9110 15.5.22).
    status, slug, title = 410, "client-too-old", "This client is too old for the API."


class BodyTooLarge(Problem):
    status, slug, title = 413, "body-too-large", "The body is too large."


class InvalidRequest(Problem):
    status, slug, title = 422, "invalid-request", "The request does not fit its description."


class BadDefinition(Problem):
    status, slug, title = 422, "bad-definition", "A flag can't be defined like this. Nothing was changed."


class KeyReused(Problem):
    status, slug, title = 422, "key-reused", "This Idempotency-Key was sent before, with another order."


class FlagsFrozen(Problem):
    status, slug, title = 423, "flags-frozen", "Flags are frozen. A kill is allowed; everything else waits until a person unfreezes them."


class TooManyTries(Problem):
    status, slug, title, retry_after_s = 429, "too-many-tries", "Too many tries with tokens that are not good.", 1


class InternalError(Problem):
    status, slug, title = 500, "internal-error", "Something broke on our side."


class DatabaseAway(Problem):
    status, slug, title, retry_after_s = 503, "database-away", "The database does not answer.", 1


class Overloaded(Problem):
    status, slug, title, retry_after_s = 503, "overloaded", "Too many requests at once.", 1


class WrongSchema(Problem):
    status, slug, title, retry_after_s = 503, "wrong-schema", "This release does not run on the database's schema.", 5


BY_STATUS: dict[int, type[Problem]] = {
    kind.status: kind for kind in (MalformedBody, NotFound, MethodNotAllowed, BodyTooLarge, InvalidRequest)
}


def documented(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: each status with the problems that it may carry."""
    answers: dict[int | str, dict[str, Any]] = {}
    for status in sorted({kind.status for kind in kinds}):
        same = [kind for kind in kinds if kind.status == status]
        references = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in same]
        answers[status] = {
            "description": " ".join(kind.title for kind in same),
            "content": {MEDIA_TYPE: {"schema": references[0] if len(same) == 1 else {"oneOf": references}}},
        }
        if same[0].retry_after_s:
            answers[status]["headers"] = {"retry-after": {"schema": {"type": "integer"}, "description": "seconds"}}
    return answers


def install(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


class Unexpected:
    """Innermost middleware: a bug becomes one log line with its traceback and a 500 that carries the usual headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            log.exception("request_broke")
            await InternalError().answer()(scope, receive, send)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error:
        case Problem():
            return error.answer()
        case HTTPException(status_code=MethodNotAllowed.status):
            return MethodNotAllowed(headers={"allow": _methods(request)}).answer()
        case _:
            return BY_STATUS.get(error.status_code, InternalError)().answer()


def _methods(request: Request) -> str:
    """All methods of an address. The router's own answer names only those of the first route with that path."""
    path = request.app.openapi()["paths"][request.scope["route"].path]
    return ", ".join(sorted(method.upper() for method in path))


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return MalformedBody().answer()
    kind = InvalidContext if request.url.path.startswith(OFREP) else InvalidRequest
    return kind(faults=[_fault(fault) for fault in faults[:FAULTS_MAX]]).answer()


def _fault(fault: dict[str, Any]) -> dict[str, str]:
    """Where and what, never the value: it may be long or private."""
    where = ".".join(str(part) for part in fault["loc"])
    return {"where": where[:TEXT_MAX], "what": str(fault["msg"])[:TEXT_MAX]}


def schemas() -> dict[str, Any]:
    """Of all problems, for the OpenAPI document."""
    return {kind.__name__: _schema(kind) for kind in Problem.__subclasses__()}


def _schema(kind: type[Problem]) -> dict[str, Any]:
    text = {"type": "string"}
    fault = {"type": "object", "required": ["where", "what"], "properties": {"where": text, "what": text}}
    return {
        "type": "object",
        "title": kind.__name__,
        "description": kind.title,
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"const": f"/problems/{kind.slug}"},
            "title": text,
            "status": {"const": kind.status},
            "detail": text,
            "faults": {"type": "array", "items": fault},
            **({"errorCode": {"const": kind.error_code}, "errorDetails": text} if kind.error_code else {}),
        },
    }
