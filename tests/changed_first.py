"""Tests of what a change touches come first: those of a changed file itself, then those of its folder. None is left out.

The change is what differs from CHANGED_SINCE, a commit; without it, what is not committed yet.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

GIT_S = 10


def changed(root: Path, since: str | None) -> set[str]:
    """Paths below `root`; none where git can't say."""
    questions = [["diff", "--name-only", since or "HEAD", "--"], ["ls-files", "--others", "--exclude-standard"]]
    try:
        said = [subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=GIT_S, check=True) for words in questions]
    except (OSError, subprocess.SubprocessError):
        return set()
    return {line for answer in said for line in answer.stdout.splitlines()}


def rank(test: str, paths: Iterable[str]) -> int:
    """0: the test's own file changed, 1: something beside it, 2: neither. `test`: its file, below the root."""
    paths = set(paths)
    folders = {path.split("/", 1)[0] for path in paths}
    return 0 if test in paths else 1 if test.split("/", 1)[0] in folders else 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    paths = changed(config.rootpath, os.environ.get("CHANGED_SINCE"))
    items.sort(key=lambda item: rank(item.nodeid.split("::", 1)[0], paths))  # stable: else as they were
