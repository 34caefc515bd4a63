"""The OpenAPI document: what the routes say, with every problem and with what all clients are told."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app import clients, problems


def install(app: FastAPI) -> None:
    app.openapi = lambda: _built_once(app)  # type: ignore[method-assign]


def _built_once(app: FastAPI) -> dict[str, Any]:
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["schemas"] |= problems.schemas()
        clients.describe(document)
        app.openapi_schema = document
    return app.openapi_schema
