from __future__ import annotations

from fastapi import APIRouter

from app.client_errors import service
from app.client_errors.schemas import ClientReport
from app.problems import BodyTooLarge, InternalError, InvalidRequest, MalformedBody, documented

router = APIRouter(tags=["operation"], responses=documented(MalformedBody, BodyTooLarge, InvalidRequest, InternalError))


@router.post("/api/client-errors", status_code=204)
async def report_client_error(report: ClientReport) -> None:
    """A beacon. `application/json` only: a page of another origin can't send that without a preflight, which nobody answers here."""
    service.note(report)
