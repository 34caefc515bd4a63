"""Puts the parts together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import clients, database, document, health, logs, problems
from app.client_errors import routes as client_errors
from app.correlation import Correlation
from app.limits import BodyLimit
from app.metrics import Red
from app.orders import routes as orders
from app.products import routes as products
from app.quotes import routes as quotes
from app.settings import Settings


def create(settings: Settings) -> FastAPI:
    logs.configure(settings.log_level, settings.release)
    app = FastAPI(
        title="The store",
        version=str(clients.LEVELS.now),
        lifespan=_close_pool_at_end,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_plain_name,
    )
    app.state.settings = settings
    app.state.engine = database.connect(settings.database_url, settings.pool_size)
    for feature in (products, quotes, orders, client_errors, health):
        app.include_router(feature.router)
    problems.install(app)
    document.install(app)
    for innermost_first in (problems.Unexpected, BodyLimit, clients.KnownClients, Red):
        app.add_middleware(innermost_first)
    app.add_middleware(Correlation, release=settings.release)
    return app


@asynccontextmanager
async def _close_pool_at_end(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.engine.dispose()


def _plain_name(route: APIRoute) -> str:
    return route.name
