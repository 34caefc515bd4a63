"""The SPA's types come from its copy of the document, which `make contract` renews with it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_spa_has_the_same_document() -> None:
    copy = ROOT / "web" / "openapi.json"
    assert not copy.parent.is_dir() or copy.read_bytes() == (ROOT / "api" / "openapi.json").read_bytes(), "`make contract`"
