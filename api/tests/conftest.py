"""The store in this process, without its database: enough for everything that answers before it asks one."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from app import application
from app.settings import Settings

RELEASE = "ab" * 6


@pytest.fixture
def store() -> FastAPI:
    return application.create(
        Settings(database_url="postgresql+asyncpg://nobody@127.0.0.1:9/none", digest=f"sha256:{RELEASE}{'0' * 52}", revision="test")
    )
