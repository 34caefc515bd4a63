"""The store in this process, without its database: enough for everything that answers before it asks one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from app import application, database
from app.ops import tokens
from app.settings import Settings

RELEASE = "ab" * 6


@pytest.fixture
def store() -> FastAPI:
    return application.create(
        Settings(database_url="postgresql+asyncpg://nobody@127.0.0.1:9/none", digest=f"sha256:{RELEASE}{'0' * 52}", revision="test")
    )


@pytest.fixture
def operator_token() -> Callable[..., str]:
    """`operator_token(database_url, scope, …)`: a new token with these scopes."""

    async def made(url: str, scopes: tuple[str, ...]) -> str:
        engine = database.connect(url, 1, watched=False)
        async with database.committed(engine) as session:
            token = (await tokens.create(session, "on-call", [tokens.TokenScope(scope) for scope in scopes], 1)).token
        await engine.dispose()
        return token

    return lambda url, *scopes: asyncio.run(made(url, scopes))
