"""What a container of the release does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.role import ROLES, environment, healthy, main, words_of

ADDRESS = "postgresql+asyncpg://store:@postgres:5432/store"


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a/b@c:d\n")
    made = environment({"SLIPWAY_DATABASE_URL": ADDRESS, "SLIPWAY_DATABASE_PASSWORD_FILE": str(file), "OTHER": "kept"})
    assert made["SLIPWAY_DATABASE_URL"] == "postgresql+asyncpg://store:a%2Fb%40c%3Ad@postgres:5432/store"  # pragma: allowlist secret
    assert made["OTHER"] == "kept"


@pytest.mark.parametrize("given", [{}, {"SLIPWAY_DATABASE_URL": "postgresql+asyncpg://store@here/store"}])
def test_without_a_file_nothing_changes(given: dict[str, str]) -> None:
    assert environment(given) == given


@pytest.mark.parametrize("words", [[], ["worker"], ["api", "web"]])
def test_another_role_is_told_which_there_are(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 64
    said = capsys.readouterr().err
    assert all(role in said for role in ROLES)


def test_migrations_lead_forward_unless_somebody_says_otherwise() -> None:
    up, down = words_of(["migrate"]), words_of(["migrate", "downgrade", "0004"])
    assert up is not None
    assert down is not None
    assert (up[-2:], down[-2:]) == (("upgrade", "head"), ("downgrade", "0004"))
    assert words_of(["backfill", "--dry-run"]) == (*ROLES["backfill"], "--dry-run")


@pytest.mark.real
def test_healthy_is_what_answers_readyz(database: Any, serve: Callable[..., str]) -> None:
    assert healthy(serve(database.url))
    assert not healthy("http://127.0.0.1:1")
    done = subprocess.run([sys.executable, "-m", "app.role", "healthy"], check=False, timeout=60)
    assert done.returncode == 1
