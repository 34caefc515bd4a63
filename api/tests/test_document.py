"""The committed document is that of the code, and breaks nobody who was built against the last release's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract import files
from contract.allowed import complaints, parse
from contract.changes import breaking

from app.clients import LEVELS


def test_it_is_that_of_the_code() -> None:
    assert files.OPENAPI.read_text(encoding="utf-8") == files.of_code(), "`.venv/bin/python -m contract write` renews api/openapi.json"


def test_it_breaks_no_client_of_the_last_release() -> None:
    changes = breaking(json.loads(files.RELEASED.read_bytes()), json.loads(files.OPENAPI.read_bytes()))
    found = list(complaints(changes, parse(files.ALLOWED.read_text(encoding="utf-8")), datetime.now(UTC).date()))
    assert not found, "api/contract/README.md says what to do:\n" + "\n".join(found)


def test_it_names_the_level_and_no_host() -> None:
    document = json.loads(files.OPENAPI.read_bytes())
    assert document["info"]["version"] == str(LEVELS.now)
    assert document["info"]["x-oldest-client-level"] == LEVELS.oldest
    assert "servers" not in document
    assert not re.search(r"https?://|localhost|127\.0\.0\.1", files.OPENAPI.read_text(encoding="utf-8"))


@pytest.mark.thorough
def test_it_needs_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DIGEST", "REVISION"):
        monkeypatch.delenv(f"SLIPWAY_{name}", raising=False)
    monkeypatch.setenv("SLIPWAY_LOG_LEVEL", "loud")
    assert files.of_code() == files.OPENAPI.read_text(encoding="utf-8")


@pytest.mark.real
def test_the_command_says_the_same_anywhere(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    argv = [sys.executable, "-m", "contract", "check"]
    for seed in ("1", "2"):  # of hashes: no order comes from a set
        done = subprocess.run(
            argv, cwd=tmp_path, env={**kept, "PYTHONHASHSEED": seed}, check=False, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
