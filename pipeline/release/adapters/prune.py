"""Removes releases and what only they used. Killed at any line, all that is kept is whole, and the next prune finishes the work."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.adapters.processes import Processes
from release.adapters.venvs import name_for
from release.artifact import IMAGE_CONFIG_TYPE, LOCK
from release.errors import MachineLacks, SlipwayError
from release.home import Home, short

LOG_OF = re.compile(r"release-([0-9a-f]{12})-\d+\.log(\.1)?")


@dataclass(frozen=True)
class Pruned:
    """What went: digests, a number of blobs, names of folders and files. `kept`: how many releases are left."""

    releases: tuple[str, ...]
    kept: int
    blobs: int
    folders: tuple[str, ...]
    venvs: tuple[str, ...]
    logs: tuple[str, ...]


def prune(home: Home, choose: Callable[[Sequence[str]], frozenset[str]]) -> Pruned:
    """`choose` hears all digests, oldest first, and names those that stay; it may name more. Raises Tampered, MachineLacks, and what it raises."""
    try:
        pruned, images = _prune(home, choose), _prune_images(home, choose)
        return replace(pruned, releases=pruned.releases + images)
    except OSError as problem:
        raise MachineLacks(f"{problem.filename}: {problem.strerror}.", remedy=f"May you write to {home.var}?") from problem


def _prune(home: Home, choose: Callable[[Sequence[str]], frozenset[str]]) -> Pruned:
    """`choose` is asked again once the others are no longer listed. A rollout that began meanwhile has either verified its release before,
    and then its ledger says so by now; or it is refused. So no release loses its files while it starts.
    """
    layout = Layout(home.artifacts)
    with layout.locked():
        before, built = layout.index(), layout.oldest_first()
        stay = choose(built)
        layout.replace_index(layout.about(before, stay))
        stay |= choose(built)
        layout.replace_index(layout.about(before, stay))
        return Pruned(
            releases=tuple(digest for digest in built if digest not in stay),
            kept=len(stay.intersection(built)),
            blobs=layout.sweep(),
            folders=_remove_all_but(home.releases, {short(digest) for digest in stay}),
            venvs=_remove_all_but(home.venvs, set(_venvs(home, stay))),
            logs=_remove_logs(home, {short(digest) for digest in stay}),
        )


def _prune_images(home: Home, choose: Callable[[Sequence[str]], frozenset[str]]) -> tuple[str, ...]:
    """Those that were built here and sent elsewhere: a running one needs nothing of this layout. What went."""
    layout = Layout(home.images, IMAGE_CONFIG_TYPE)
    if not layout.root.exists():
        return ()
    with layout.locked():
        built = layout.oldest_first()
        stay = choose(built)
        layout.replace_index(layout.about(layout.index(), stay))
        layout.sweep()
    return tuple(digest for digest in built if digest not in stay)


def _venvs(home: Home, digests: Set[str]) -> Iterator[str]:
    """Names of those that these releases are locked to, and of those that processes were started from."""
    for digest in digests:
        with suppress(SlipwayError):  # it is damaged or not here: then its files may still be
            yield name_for(OciArtifacts(home).lock(digest))
        with suppress(OSError, ValueError):
            yield name_for((home.release(digest) / LOCK).read_bytes())
    for folder in home.envs():
        for program in (Path(record.argv[0]) for record in Processes(folder).all()):
            if program.is_relative_to(home.venvs):
                yield program.relative_to(home.venvs).parts[0]


def _remove_all_but(folder: Path, names: Set[str]) -> tuple[str, ...]:
    """Of the others also the leftovers `.NAME.…` of somebody who was killed at work; these come first, so that their names are free."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    gone = [path for path in found if path.name.removeprefix(".").split(".")[0] not in names]
    for path in gone:
        _remove(path)
    return tuple(path.name for path in gone if not path.name.startswith("."))


def _remove(path: Path) -> None:
    """A folder leaves its name first: half of it must never stand there."""
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    aside = path if path.name.startswith(".") else path.rename(path.with_name(f".{path.name}.gone"))
    shutil.rmtree(aside)


def _remove_logs(home: Home, names: Set[str]) -> tuple[str, ...]:
    found = (path for folder in home.envs() for path in (folder / "logs").glob("release-*"))
    gone = [path for path in found if (match := LOG_OF.fullmatch(path.name)) and match[1] not in names]
    for path in gone:
        path.unlink()
    return tuple(path.name for path in gone)
