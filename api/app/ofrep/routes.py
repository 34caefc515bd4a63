from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from app.flags.feed import Feed
from app.flags.snapshot import Snapshot, version_of
from app.ofrep import service
from app.ofrep.schemas import BulkEvaluation, Evaluation, EvaluationRequest
from app.ofrep.stream import EventStreams
from app.problems import BodyTooLarge, EvaluationFailed, InternalError, InvalidContext, MalformedBody, Overloaded, UnknownFlag, documented

REACH_S_MAX = 1.0

router = APIRouter(tags=["flags"])

FlagKey = Annotated[str, Path(min_length=1, max_length=64, examples=["pricing-v2"])]
KnownEtag = Annotated[
    str | None,
    Query(
        alias="flagConfigEtag",
        max_length=200,
        description="From an event: the flags are evaluated as of this change or a later one. An instance that has not heard of it yet waits a moment.",
    ),
]
FAILURES = documented(MalformedBody, InvalidContext, BodyTooLarge, InternalError)
BULK: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"etag": {"schema": {"type": "string"}}}},
    304: {"description": "As at the time of the ETag in If-None-Match."},
    **FAILURES,
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": 'Events with the data `{"type": "refetchEvaluation", "etag": …}`: one at once, one for each change.',
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    **documented(InternalError, Overloaded),
}


@router.post(
    "/ofrep/v1/evaluate/flags/{key}",
    responses={**FAILURES, **documented(InvalidContext, EvaluationFailed, MalformedBody, UnknownFlag)},
    response_model_exclude_none=True,
)
async def evaluate_flag(request: Request, key: FlagKey, asked: EvaluationRequest, known: KnownEtag = None) -> Evaluation:
    context = service.asked_by(asked.context, request.app.state.settings.release)
    return service.strictly(service.one(await _snapshot(request, known), key, context, request.scope))


@router.post("/ofrep/v1/evaluate/flags", response_model=BulkEvaluation, responses=BULK)
async def evaluate_flags(
    request: Request,
    asked: EvaluationRequest,
    known: KnownEtag = None,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """All flags for one user. The address in `eventStreams` tells when to ask again."""
    context = service.asked_by(asked.context, request.app.state.settings.release)
    body = service.all_of_them(await _snapshot(request, known), context, request.scope).model_dump_json(exclude_none=True)
    headers = {"etag": service.etag(body), "cache-control": "no-cache"}
    if if_none_match == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.get(service.EVENTS, response_class=Response, responses=STREAM)
async def stream_events(request: Request, last_event_id: Annotated[str | None, Header(max_length=200)] = None) -> Response:
    """Server-sent events. Bounded in number and in time; browsers come back by themselves."""
    streams: EventStreams = request.app.state.flags_streams
    return streams.answer(last_event_id)


async def _snapshot(request: Request, known: str | None) -> Snapshot:
    feed: Feed = request.app.state.flags_feed
    return await feed.reach(version_of(known or ""), REACH_S_MAX)
