"""One request, one transaction: committed once, at the edge, before the answer leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app import pool
from app.problems import DatabaseAway, Overloaded

log = structlog.get_logger()

WAIT_S = 2  # for a free connection, for a new one
STATEMENT_S = 3
OPS_POOL_SIZE = 2
# Classes of SQLSTATE that say "not now" rather than "wrong": connection, no such database, serialisation, resources, lock, intervention.
PASSING_SQLSTATES = ("08", "3D", "40", "53", "55", "57")


def connect(url: str, pool_size: int, *, watched: bool = True) -> AsyncEngine:
    """An engine that holds no connection yet: the database may come later than we do. The metrics are about the one that is `watched`."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_S,
        connect_args={
            "timeout": WAIT_S,
            "command_timeout": STATEMENT_S + 1,
            "server_settings": {
                "application_name": "slipway-api",
                "statement_timeout": f"{STATEMENT_S}s",
                "lock_timeout": f"{WAIT_S}s",
                "idle_in_transaction_session_timeout": "10s",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    if watched:
        pool.watch(engine)
    return engine


def address(url: str) -> str:
    """For asyncpg alone, which knows nothing of SQLAlchemy's drivers."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _refuse_dead(connection: Any, _record: object, _proxy: object) -> None:
    """The driver already knows that the server closed it: the pool opens another one."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """Begins with the first statement, so an invalid request takes no connection. Rolled back if the route raises.

    Raises DatabaseAway, Overloaded.
    """
    async with committed(request.app.state.engine) as session:
        yield session


async def ops_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """As `transaction`, on connections that no shopper can take: a kill gets through when the store's own are all in use."""
    async with committed(request.app.state.ops_engine) as session:
        yield session


@asynccontextmanager
async def committed(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    try:
        async with AsyncSession(engine) as session:
            yield session
            await session.commit()
    except PoolExhausted as error:
        pool.REFUSED.inc()
        raise Overloaded from error
    except (OSError, DBAPIError) as error:  # OSError: refused, reset, timed out
        if isinstance(error, DBAPIError) and not _passing(error):
            raise
        log.warning("database_away", cause=repr(error)[:300])
        raise DatabaseAway from error


def _passing(error: DBAPIError) -> bool:
    sqlstate: str = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or isinstance(error, InterfaceError) or sqlstate.startswith(PASSING_SQLSTATES)


# scope="function": the commit is over before the first byte of the answer leaves, so an acknowledged order is a committed order.
Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]
OpsTransaction = Annotated[AsyncSession, Depends(ops_transaction, scope="function")]
