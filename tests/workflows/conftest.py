from __future__ import annotations

from pathlib import Path

import pytest

from workflows.model import Workflows, read

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def ours() -> Workflows:
    return read(ROOT)
