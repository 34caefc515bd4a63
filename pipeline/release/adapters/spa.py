"""Sources of the SPA -> what ships in their place. Built once per content: without a change in web/ a build reads a folder, nothing more.

Below var/web: `modules-<hash of the lock>/node_modules`, and `<hash of the sources>/` with what was built of them. A build runs
inside the folder of its modules, so that Node finds them and every path that a bundler sees is the same on every machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from release.adapters.files import make_once
from release.adapters.node import DECIDE_MODULES, LIMIT_S, install, node_version, npm
from release.artifact import NPM_LOCK, PAGE, SPA, WEB, File
from release.errors import BuildFailed
from release.home import Home

DECIDING = tuple(f"{WEB}/{name}" for name in DECIDE_MODULES)
BUILDS_KEPT, MODULES_KEPT = 20, 2  # most recently used


def with_spa(files: tuple[File, ...], home: Home) -> tuple[File, ...]:
    """The files that ship, and the lock that says what is bundled in them; without web/ there is no SPA. Raises BuildFailed."""
    sources = tuple(file for file in files if file.path.startswith(f"{WEB}/"))
    rest = tuple(file for file in files if file not in sources)
    if not sources:
        return rest
    lock = tuple(file for file in sources if file.path == NPM_LOCK)
    if not lock:
        raise BuildFailed(
            f"{NPM_LOCK} is missing.", remedy=f"Restore it: `git checkout HEAD -- {NPM_LOCK}`. Without any {WEB}/ there is no SPA."
        )
    return (*rest, *lock, *_read(_built(sources, home)))


def _built(sources: tuple[File, ...], home: Home) -> Path:
    target = make_once(home.var / "web" / _key(sources), LIMIT_S, lambda new: _build(sources, _modules(sources, home), new, home))
    _used(target, home.var / "web", "[0-9a-f]*", BUILDS_KEPT)
    return target


def _modules(sources: tuple[File, ...], home: Home) -> Path:
    deciding = tuple(file for file in sources if file.path in DECIDING)
    target = make_once(home.var / "web" / f"modules-{_key(deciding)}", LIMIT_S, lambda new: _install(deciding, new, home))
    _used(target, home.var / "web", "modules-*", MODULES_KEPT)
    return target


def _install(deciding: Iterable[File], new: Path, home: Home) -> None:
    _write(deciding, new)
    install(new, new, home)


def _build(sources: Iterable[File], modules: Path, new: Path, home: Home) -> None:
    with tempfile.TemporaryDirectory(prefix="build-", dir=modules) as folder:
        work = Path(folder)
        _write(sources, work)
        npm(("run", "build", "--loglevel=error"), work, home, "`make web` shows more.")
        if not (work / PAGE.removeprefix(f"{WEB}/")).is_file():
            raise BuildFailed(f"`npm run build` of the SPA made no {PAGE}.", remedy="See `build` in web/package.json.")
        shutil.move(work / SPA.removeprefix(f"{WEB}/"), new)


def _key(files: Iterable[File]) -> str:
    """Content and tools: another Node may compress to other bytes."""
    hasher = hashlib.sha256(node_version().encode())
    for file in files:
        hasher.update(f"\0{file.path}\0{len(file.data)}\0".encode() + file.data)
    return hasher.hexdigest()[:12]


def _write(files: Iterable[File], into: Path) -> None:
    for file in files:
        path = into / file.path.removeprefix(f"{WEB}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)


def _read(built: Path) -> tuple[File, ...]:
    paths = sorted(path for path in built.rglob("*") if path.is_file())
    return tuple(File(f"{SPA}/{path.relative_to(built).as_posix()}", path.read_bytes()) for path in paths)


def _used(target: Path, folder: Path, pattern: str, kept: int) -> None:
    """The most recently used stay; another process may be removing the same."""
    os.utime(target)
    found = [path for path in folder.glob(pattern) if path.is_dir() and path != target]
    for path in sorted(found, key=_used_at, reverse=True)[kept - 1 :]:
        with suppress(OSError):
            shutil.rmtree(path.rename(path.with_name(f".{path.name}.old")), ignore_errors=True)


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
