"""What the runtime asks of an instance: does it live, may it get requests, what is it, how does it do."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from pydantic import BaseModel
from sqlalchemy import text

from app.database import Transaction
from app.problems import DatabaseAway, InternalError, Overloaded, WrongSchema, documented

RUNS_ON = tuple(json.loads((Path(__file__).parents[2] / "db" / "schema.json").read_text())["runs_on"])

INSTANCE = Gauge(
    "slipway_instance_info", "What this instance is: joins its other metrics with a release.", ["release", "digest", "revision"]
)

router = APIRouter(tags=["operation"])


class State(BaseModel):
    state: str


class Version(BaseModel):
    digest: str
    revision: str


@router.get("/livez")
async def livez() -> State:
    """The process answers. It asks nothing else, so a database that is away does not get every instance restarted."""
    return State(state="alive")


@router.get("/readyz", responses=documented(InternalError, DatabaseAway, Overloaded, WrongSchema))
async def readyz(transaction: Transaction) -> State:
    """The database answers, and its schema is one that this release runs on."""
    schema, floor = await _schema(transaction)
    newest = RUNS_ON[-1]
    later = schema is not None and floor is not None and floor <= newest < schema
    if schema not in RUNS_ON and not later:
        needs = f", which serves releases that are made for {floor} or later" if floor else ""
        raise WrongSchema(f"The database is at schema {schema or 'none'}{needs}; this release runs on {', '.join(RUNS_ON)}.")
    return State(state="ready")


@router.get("/version")
async def version(request: Request) -> Version:
    settings = request.app.state.settings
    return Version(digest=settings.digest, revision=settings.revision)


@router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}})
async def metrics(request: Request) -> Response:
    settings = request.app.state.settings
    INSTANCE.labels(settings.release, settings.digest, settings.revision).set(1)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _schema(transaction: Transaction) -> tuple[str | None, str | None]:
    """Revision, and its floor: what a release must at least be made for to run on it. Schemas before 0003 name none."""
    there = (
        await transaction.execute(
            text("SELECT to_regclass('alembic_version') IS NOT NULL AS v, to_regclass('schema_window') IS NOT NULL AS f")
        )
    ).one()
    revision = await transaction.scalar(text("SELECT version_num FROM alembic_version")) if there.v else None
    floor = await transaction.scalar(text("SELECT floor FROM schema_window")) if there.f else None
    return revision, floor
