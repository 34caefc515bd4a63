"""Puts the parts together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import clients, database, document, health, logs, problems, stopping
from app.client_errors import routes as client_errors
from app.correlation import Correlation
from app.flags import use as flags
from app.flags.feed import ANSWER_S, Feed
from app.limits import BodyLimit
from app.metrics import Red
from app.ofrep import routes as ofrep
from app.ofrep.stream import EventStreams
from app.ops import routes as ops
from app.ops.tokens import Guard
from app.orders import routes as orders
from app.products import routes as products
from app.quotes import routes as quotes
from app.settings import Settings


def create(settings: Settings) -> FastAPI:
    logs.configure(settings.log_level, settings.release)
    app = FastAPI(
        title="The store",
        version=str(clients.LEVELS.now),
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_plain_name,
    )
    app.state.settings = settings
    app.state.engine = database.connect(settings.database_url, settings.pool_size)
    app.state.ops_engine = database.connect(settings.database_url, database.OPS_POOL_SIZE, watched=False)
    app.state.ops_guard = Guard()
    app.state.stopping = asyncio.Event()
    app.state.flags, app.state.flags_client = flags.install(settings.flags_file)
    app.state.flags_feed = Feed(settings.database_url, app.state.flags)
    app.state.flags_streams = EventStreams(app.state.flags_feed, app.state.stopping)
    for feature in (products, quotes, orders, client_errors, ops, ofrep, health):
        app.include_router(feature.router)
    problems.install(app)
    document.install(app)
    for innermost_first in (problems.Unexpected, BodyLimit, clients.KnownClients, Red):
        app.add_middleware(innermost_first)
    app.add_middleware(Correlation, release=settings.release)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The first request finds the flags as they are now, or, where the database does not answer soon, the last known good ones."""
    feed = asyncio.create_task(app.state.flags_feed.run())
    with suppress(TimeoutError):
        async with asyncio.timeout(2 * ANSWER_S):
            await app.state.flags_feed.tried.wait()
    with stopping.told(app.state.stopping):
        yield
    feed.cancel()
    await asyncio.wait([feed])
    await app.state.engine.dispose()
    await app.state.ops_engine.dispose()


def _plain_name(route: APIRoute) -> str:
    return route.name
