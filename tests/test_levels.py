"""Imports go down, never up or round: the contracts in pyproject.toml, held as a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_ERROR, EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_imports_go_down(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_imports(cache_dir=None) == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_an_import_that_goes_up_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same levels upside down must break, or the test above proves nothing."""
    config = tmp_path / "upside_down.toml"
    config.write_text(
        '[tool.importlinter]\nroot_packages = ["release"]\n[[tool.importlinter.contracts]]\nname = "x"\ntype = "layers"\n'
        'layers = ["release.policy", "release.rollout", "release.engine"]\n'
    )
    assert lint_imports(config_filename=str(config), cache_dir=None) == EXIT_STATUS_ERROR
