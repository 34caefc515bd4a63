"""A copy of what a release is made of, with a later change."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def changed(folder: Path, patch: Path | None = None) -> Path:
    """`api` and `db` of this tree below `folder`, which is in no checkout, plus the patch's part of them."""
    for part in ("api", "db"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    if patch:
        apply = ["git", "apply", "--include=api/*", "--include=db/*", str(patch)]
        outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
        subprocess.run(apply, cwd=folder, check=True, capture_output=True, env=outside)
    return folder
