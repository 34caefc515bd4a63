"""The running store against its own OpenAPI document: examples, coverage, fuzzing, stateful."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = Path(__file__).with_name("schemathesis.toml")
PHASES = "examples,coverage,fuzzing,stateful"


@pytest.mark.real
@pytest.mark.contract
def test_nothing_found(database: Any, serve: Callable[..., str], operator_token: Callable[..., str], tmp_path: Path) -> None:
    seed = os.environ.get("SCHEMATHESIS_SEED") or str(random.randrange(2**32))
    print(f"again with SCHEMATHESIS_SEED={seed}")
    address = serve(database.url)
    token = operator_token(database.url, "flags:read", "flags:write", "flags:kill", "flags:freeze")
    words = [
        "run",
        f"{address}/openapi.json",
        "--phases",
        PHASES,
        "--seed",
        seed,
        "--max-examples",
        "30",
        "--max-time",
        "60",
        "--no-color",
    ]
    words += ["--header", f"Authorization: Bearer {token}"]
    argv = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), *words, "--generation-database", "none"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=200)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    for phase in PHASES.split(","):
        assert f"✅ {phase.capitalize()}" in done.stdout
    assert int(database.sql("SELECT count(*) FROM orders")) > 0  # it got as far as real orders, and real changes of flags
    assert int(database.sql("SELECT count(*) FROM flag_changes")) > 0
    print(done.stdout[-1500:])
