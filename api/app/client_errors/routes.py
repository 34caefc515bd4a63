from __future__ import annotations

from fastapi import APIRouter, Response

from app.client_errors import service
from app.client_errors.schemas import ClientReport
from app.problems import BodyTooLarge, InternalError, InvalidRequest, MalformedBody, documented

router = APIRouter(tags=["operation"], responses=documented(MalformedBody, BodyTooLarge, InvalidRequest, InternalError))


@router.post(
    "/api/client-errors",
    status_code=204,
    responses={202: {"description": "A loaded page is broken. No other answer of this API has this status."}},
)
async def report_client_error(report: ClientReport) -> Response:
    """A beacon. `application/json` only: a page of another origin can't send that without a preflight, which nobody answers here.

    The release's gate counts the 202s where it counts failures, at the edge: one for each loaded page that broke.
    """
    return Response(status_code=202 if service.note(report) else 204)
