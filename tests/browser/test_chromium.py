"""Which browser the tests take, and what they say where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import chromium
from release.home import Home


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Home:
    """A machine with nothing on it, and no registry in reach."""
    monkeypatch.delenv("SLIPWAY_BROWSER", raising=False)
    monkeypatch.setattr(chromium, "MACOS", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, value in {"registry": "http://127.0.0.1:1", "fetch_retries": "0", "cache": str(tmp_path / "npm")}.items():
        monkeypatch.setenv(f"npm_config_{name}", value)
    return Home(tmp_path)


def test_the_one_that_is_named_wins(bare: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_BROWSER", "/opt/mine")
    assert chromium.find(bare) == chromium.Chromium(Path("/opt/mine"))


def test_then_the_machines(bare: Home) -> None:
    own = bare.root / "google-chrome"
    own.touch(mode=0o755)
    assert chromium.find(bare).program == own


@pytest.mark.parametrize("machine", ["aarch64", "riscv64"])
def test_none_for_this_machine_is_told_with_a_way_out(bare: Home, monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(chromium.platform, "machine", lambda: machine)
    with pytest.raises(chromium.NoBrowser, match=r"none of chromium,.*Install Chrome, or name one in SLIPWAY_BROWSER"):
        chromium.find(bare)


@pytest.mark.real
def test_no_registry_is_told_in_npms_words(bare: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(chromium.sys, "platform", "linux")
    with pytest.raises(chromium.NoBrowser, match=r"(?s)npm did not bring one: `npm ci .*ECONNREFUSED"):
        chromium.find(bare)
    assert not list((bare.var / "chromium").glob("*/chromium"))
