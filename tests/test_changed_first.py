"""What a change touches is tested first, and nothing is left out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from changed_first import changed, rank


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for name in ("api/app.py", "api/tests/test_app.py", "web/page.ts"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    return tmp_path


def test_the_change_is_what_is_not_committed_or_since_a_commit(repository: Path) -> None:
    assert changed(repository, None) == set()
    (repository / "api/app.py").write_text("2\n")
    (repository / "new.py").write_text("1\n")
    assert changed(repository, None) == {"api/app.py", "new.py"}
    git(repository, "commit", "-qam", "two")
    assert changed(repository, "HEAD~1") == {"api/app.py", "new.py"}


def test_where_git_can_not_say_nothing_comes_first(tmp_path: Path, repository: Path) -> None:
    assert changed(repository, "no-such-commit") == set()


def test_its_own_file_then_its_folder_then_the_rest() -> None:
    tests = ["api/tests/test_a.py", "api/tests/test_b.py", "pipeline/tests/test_c.py"]
    assert [rank(test, {"api/app/x.py", "api/tests/test_b.py"}) for test in tests] == [1, 0, 2]
    assert [rank(test, set()) for test in tests] == [2, 2, 2]
