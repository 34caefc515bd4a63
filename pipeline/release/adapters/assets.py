"""Assets of the SPAs that were here lately: a tab that came from an old release finds its own on whichever release answers.

A folder per release, filled when the release starts. Their names carry their content, so that no two can be in conflict.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from release.adapters.files import alone, make
from release.artifact import SPA
from release.home import short

KEPT = 5  # releases besides those that run, the last ones started
PATIENCE_S = 30.0


def share(release: Path, digest: str, pool: Path, running: Collection[str]) -> None:
    """Have the assets of a release in the pool, and none that are long gone."""
    target = pool / short(digest)
    with alone(target, PATIENCE_S):
        if not target.is_dir():
            make(target, lambda new: _copy(release / SPA / "assets", new))
        os.utime(target)
    keep = {short(other) for other in (digest, *running)}
    old = [folder for folder in pool.glob("[0-9a-f]*") if folder.name not in keep]
    for folder in sorted(old, key=lambda folder: folder.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f".{folder.name}.lock").unlink(missing_ok=True)


def _copy(assets: Path, new: Path) -> None:
    new.mkdir()
    for path in assets.iterdir() if assets.is_dir() else ():
        try:
            os.link(path, new / path.name)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(path, new / path.name)
