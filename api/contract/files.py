"""Where the documents are, and what the code's own one is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
OPENAPI = HERE.parent / "openapi.json"
RELEASED = HERE / "released.json"
COMMIT = HERE / "released.commit"
ALLOWED = HERE / "allowed.yaml"


def of_code() -> str:
    """The text that belongs into api/openapi.json. Needs no database and no environment."""
    from app import application
    from app.settings import Settings

    nowhere = Settings.model_construct(
        database_url="postgresql+asyncpg://nobody@nowhere/none", digest=f"sha256:{'0' * 64}", revision="none"
    )
    return json.dumps(application.create(nowhere).openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def commit() -> str:
    """Of the checkout. Raises CalledProcessError where there is none."""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, check=True, capture_output=True, text=True).stdout


def without_entries(allowed: str) -> str:
    """The comments at the top stay."""
    lines = allowed.splitlines(keepends=True)
    top = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:top])
