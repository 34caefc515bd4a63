"""A miniature checkout, and one with two releases built from it. Each test gets its own copy."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from release.adapters.build import build
from release.home import Home

A, B = "a" * 64, "b" * 64
FILES = {
    "api/app/__init__.py": '"""The store."""\n',
    "api/app/pricing.py": "def gross(net_cents: int) -> int:\n    return net_cents + net_cents // 5\n",
    "api/app/tests/test_pricing.py": "assert True\n",
    "api/tests/test_store.py": "assert True\n",
    "db/env.py": "print('migrate')\n",
    "db/tests/test_db.py": "assert True\n",
    "db/schema.json": '{"head": "0002", "runs_on": ["0001", "0002"]}\n',
    "requirements/api.lock": f"anyio==4.1 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via web\nzope-web==1.0 ; sys_platform != 'win32' \\\n    --hash=sha256:{A}\n",
    "pipeline/policy.yaml": "gate: {}\n",
    "README.md": "A store.\n",
    ".gitignore": "var/\n__pycache__/\n*.log\n",
}
BUG = """\
diff --git a/api/app/pricing.py b/api/app/pricing.py
--- a/api/app/pricing.py
+++ b/api/app/pricing.py
@@ -1,2 +1,2 @@
 def gross(net_cents: int) -> int:
-    return net_cents + net_cents // 5
+    return net_cents // 0
"""
Git = Callable[..., str]


def run_git(root: Path, *arguments: str) -> str:
    """As nobody in particular, at a fixed time: the same files are the same commit on every machine."""
    who = {"NAME": "Somebody", "EMAIL": "somebody@example.org", "DATE": "2026-01-02T03:04:05Z"}
    env = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in who.items()}
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], env={**env, **alone}, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


@pytest.fixture(scope="session")
def git() -> Git:
    return run_git


@pytest.fixture
def bug(tmp_path: Path) -> Path:
    """A patch that breaks the miniature store."""
    patch = tmp_path / "bug.patch"
    patch.write_text(BUG)
    return patch


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed checkout. Read-only for tests: take `checkout`."""
    root = tmp_path_factory.mktemp("pristine")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run_git(root, "init", "-q", "-b", "main", "--template=")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "start")
    return root


@pytest.fixture(scope="session")
def pristine_store(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine-store") / "checkout"
    shutil.copytree(pristine, root)
    (root / "bug.patch").write_text(BUG)
    for patch in (None, root / "bug.patch"):
        build(Home(root), patch)
    (root / "bug.patch").unlink()
    return root


@pytest.fixture
def checkout(pristine: Path, tmp_path: Path) -> Home:
    """A fresh copy of the miniature checkout; nothing was built."""
    return Home(Path(shutil.copytree(pristine, tmp_path / "checkout")))


@pytest.fixture
def store(pristine_store: Path, tmp_path: Path) -> Home:
    """A fresh checkout with two releases: `OciArtifacts(store).list()` is (of the tree, of the tree with the bug)."""
    return Home(Path(shutil.copytree(pristine_store, tmp_path / "store")))
