"""Advisories as https://osv.dev exports them: one archive of JSON files per ecosystem, in a folder."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from release.errors import MachineLacks, UsageError

EXPORT = "https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip"
REMEDY = "`release advisories` fetches them; on a machine without the internet, copy that folder."


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Raises UsageError where there are none, or one can't be read."""
    found = sorted([*folder.glob("*.zip"), *folder.glob("*.json")]) if folder.is_dir() else []
    if not found:
        raise UsageError(f"There are no advisories in {folder}.", remedy=REMEDY)
    for path in found:
        try:
            yield from _of(path)
        except (OSError, ValueError, zipfile.BadZipFile) as problem:
            raise UsageError(f"{path} holds no advisories: {problem}", remedy=REMEDY) from problem


def _of(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".json":
        yield json.loads(path.read_bytes())
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield json.loads(archive.read(name))


def fetch(folder: Path, ecosystems: Sequence[str], export: str = EXPORT) -> None:
    """Replaced whole, or left as they are. Raises MachineLacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for ecosystem in ecosystems:
        part = folder / f"{ecosystem}.part"
        try:
            with (
                httpx.stream("GET", export.format(ecosystem=ecosystem), timeout=60, follow_redirects=True) as answer,
                part.open("wb") as file,
            ):
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    file.write(piece)
        except (httpx.HTTPError, OSError) as problem:
            part.unlink(missing_ok=True)
            raise MachineLacks(
                f"The advisories of {ecosystem} can't be fetched: {problem!r}", remedy="Is the internet reachable from here?"
            ) from problem
        part.replace(folder / f"{ecosystem}.zip")
