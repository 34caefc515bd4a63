"""Runs migrations: one migrator at a time, one transaction per migration, and no lock is waited for long.

Users of a table wait behind whoever waits for its lock. So a migration gives up soon, lets them pass, and tries again, for a bounded time.
"""

from __future__ import annotations

import asyncio
import os
import random
import time

from alembic import context
from sqlalchemy import Column, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.schema import SchemaItem

from app.tables import LEAVING, metadata

MIGRATORS_LOCK = 0x51195A7  # any number, as long as every release uses the same
WAIT_FOR_OTHERS_S = 60
ASK_AGAIN_S = 0.1
# For a migration that sets no bounds of its own.
BOUNDS = ("SET lock_timeout = '200ms'", "SET statement_timeout = '30s'")
TRIES, PAUSE_S = 12, 1.0
LOCK_NOT_AVAILABLE, DEADLOCK = "55P03", "40P01"


def main() -> None:
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True, transaction_per_migration=True)
        _run()
    else:
        asyncio.run(_online(_database_url()))


def _database_url() -> str:
    url = os.environ.get("SLIPWAY_DATABASE_URL")
    if not url:
        raise SystemExit("SLIPWAY_DATABASE_URL is missing: postgresql+asyncpg://user@host:5432/name")
    return url


async def _online(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    async with engine.connect() as holder:
        await _take_turn(holder)
        for left in reversed(range(TRIES)):
            try:
                await _migrate(engine)
                break
            except DBAPIError as problem:
                if getattr(problem.orig, "sqlstate", None) not in (LOCK_NOT_AVAILABLE, DEADLOCK):
                    raise
                if not left:
                    raise SystemExit(
                        f"Given up after {TRIES} tries: others hold what it needs to lock, and nobody was to wait behind it. {problem.orig}"
                    ) from None
                print(f"A lock was not to be had in time; {left} more tries.", flush=True)
                await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1))
    await engine.dispose()


async def _take_turn(holder: AsyncConnection) -> None:
    """Until this session ends. Asked for again and again: who waits inside PostgreSQL has a snapshot, for which an index that is built concurrently waits."""
    end_s = time.monotonic() + WAIT_FOR_OTHERS_S
    while not await holder.scalar(text(f"SELECT pg_try_advisory_lock({MIGRATORS_LOCK})")):
        await holder.rollback()
        if time.monotonic() > end_s:
            raise SystemExit(f"Another migrator has been at it for {WAIT_FOR_OTHERS_S} s. Look what it waits for, then run this again.")
        await asyncio.sleep(ASK_AGAIN_S)
    await holder.commit()


async def _migrate(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for bound in BOUNDS:
            await connection.execute(text(bound))
        await connection.commit()
        await connection.run_sync(_on)


def _on(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_server_default=True,
        include_object=_is_ours,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    )
    _run()


def _is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, _: SchemaItem | None) -> bool:
    return not (kind == "column" and reflected and isinstance(item, Column) and f"{item.table.name}.{name}" in LEAVING)


def _run() -> None:
    with context.begin_transaction():
        context.run_migrations()


main()
