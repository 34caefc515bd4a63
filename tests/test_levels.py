"""Imports go down, never up or round: the contracts in pyproject.toml, held as a test."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
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


def locked(purpose: str) -> set[str]:
    return {name.lower() for name in re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / "requirements" / f"{purpose}.lock").read_text(), re.M)}


@pytest.mark.thorough
def test_the_commands_need_only_what_make_setup_brings() -> None:
    """Of the packages for containers and tests none is there on a fresh machine."""
    absent = locked("dev") - locked("tools")
    assert {"docker", "hypothesis"} <= absent
    normal = {name: {re.sub(r"[-_.]+", "-", one).lower() for one in those} for name, those in packages_distributions().items()}
    modules = sorted(name for name, those in normal.items() if those <= absent)
    code = f"import sys; sys.modules.update(dict.fromkeys({modules!r})); import release.cli, drill.cli"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
