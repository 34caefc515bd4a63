"""Runs migrations: one migrator at a time, one transaction per migration."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.tables import metadata

MIGRATORS_LOCK = 0x51195A7  # any number, as long as every release uses the same
WAIT_FOR_OTHERS_S = 60


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
    async with engine.connect() as connection:
        # Held by the session until it ends. The second migrator waits here, then finds nothing left to do.
        await connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_OTHERS_S}s'"))
        await connection.execute(text(f"SELECT pg_advisory_lock({MIGRATORS_LOCK})"))
        await connection.execute(text("RESET lock_timeout"))
        await connection.commit()
        await connection.run_sync(_on)
    await engine.dispose()


def _on(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_server_default=True,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    )
    _run()


def _run() -> None:
    with context.begin_transaction():
        context.run_migrations()


main()
