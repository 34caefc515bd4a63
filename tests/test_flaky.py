"""A flaky test is found by its second attempt, named, and red unless somebody has taken it on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from flaky import AHEAD_DAYS_MAX, Known, known, unknown

from release.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
TODAY = datetime.now(UTC).date()
ENTRY = Known(test="tests/test_a.py::test_b", owner="ada", expires=date(2026, 12, 1), why="the clock of that machine")


def test_each_entry_of_the_list_names_a_test_and_ends_soon() -> None:
    for entry in known():
        assert (ROOT / entry.test.split("::")[0]).is_file(), entry
        assert f"def {entry.test.split('::')[1].split('[')[0]}(" in (ROOT / entry.test.split("::")[0]).read_text(), entry
        assert TODAY <= entry.expires <= TODAY + timedelta(days=AHEAD_DAYS_MAX), entry


def test_an_entry_counts_until_its_day() -> None:
    found = {"tests/test_a.py::test_b[1]", "tests/test_a.py::test_c"}
    assert unknown(found, (ENTRY,), date(2026, 12, 1)) == ["tests/test_a.py::test_c"]
    assert len(unknown(found, (ENTRY,), date(2026, 12, 2))) == 2


def test_a_bad_entry_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "flaky.yaml"
    path.write_text("flaky:\n  - {test: tests/test_a.py::test_b, owner: ada, why: the clock of it}\n")
    with pytest.raises(UsageError, match=r"flaky\.yaml:2: flaky\.0\.expires"):
        known(path)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Tests that fail at their first attempt, in a project that has only this plugin."""
    (folder / "test_it.py").write_text(
        "from pathlib import Path\n\n"
        "def test_now_and_then():\n    first = not Path('seen').exists()\n    Path('seen').touch()\n    assert not first\n\n"
        "def test_well():\n    pass\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "flaky", "-p", "no:cacheprovider", *words]
    environ = {"PYTHONPATH": str(ROOT / "tests"), "PATH": ""}
    return subprocess.run(argv, cwd=folder, env=environ, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.thorough
@pytest.mark.parametrize("more", [(), ("-n", "1")], ids=["here", "in a worker"])
def test_a_pass_at_the_second_attempt_is_named_and_red(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = run(tmp_path, "--reruns", "1", *more)
    assert "flaky  test_it.py::test_now_and_then  (nobody yet" in done.stdout
    assert "test_well" not in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.thorough
def test_without_reruns_it_is_a_failure_as_any_other(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == pytest.ExitCode.TESTS_FAILED
    assert run(tmp_path).returncode == 0
