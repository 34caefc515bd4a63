"""Files <-> one tar layer: the same files are always the same bytes, and only plain files come out."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from release.artifact import File
from release.errors import Tampered

BYTECODE = "__pycache__"  # what running a release adds to its folder


def pack(files: Iterable[File]) -> bytes:
    """An uncompressed tar without anything of this machine or day in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for file in sorted(files, key=lambda file: file.path):
            entry = tarfile.TarInfo(file.path)  # time, owner and group are 0 and empty from the start
            entry.size, entry.mode = len(file.data), 0o755 if file.executable else 0o644
            tar.addfile(entry, io.BytesIO(file.data))
    return buffer.getvalue()


def contents(layer: bytes, name: str) -> tuple[File, ...]:
    """Raises Tampered for anything but plain files at safe paths, each once. Nothing is written."""
    files: dict[str, File] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:", encoding="utf-8") as tar:
            for entry in tar:
                path = PurePosixPath(entry.name)
                if not entry.isreg() or path.is_absolute() or ".." in path.parts or entry.name in files:
                    raise Tampered(f"{name} has an unsafe entry: {entry.name!r}.")
                data = tar.extractfile(entry)
                files[entry.name] = File(entry.name, data.read() if data else b"", bool(entry.mode & 0o100))
    except (tarfile.TarError, ValueError, EOFError) as problem:
        raise Tampered(f"{name} is not a tar archive: {problem}.") from problem
    return tuple(files.values())


def write(files: Iterable[File], into: Path) -> None:
    """Have exactly these files below `into`: all of them or none, also when two do so at once. What differs is replaced."""
    wanted = tuple(files)
    if _holds(into, wanted):
        return
    into.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
    try:
        for file in wanted:
            _write(fresh / file.path, file)
        fresh.chmod(0o755)
        _swap(fresh, into, wanted)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, into: Path, wanted: tuple[File, ...]) -> None:
    for _ in range(3):
        try:
            os.rename(fresh, into)
        except OSError:
            if _holds(into, wanted):  # another process was faster
                return
            _set_aside(into)
        else:
            return
    os.rename(fresh, into)


def _set_aside(into: Path) -> None:
    """Away from its name first: a half-removed folder must never stand at it."""
    old = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
    try:
        os.rename(into, old / "old")
    except FileNotFoundError:
        pass
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _holds(into: Path, wanted: tuple[File, ...]) -> bool:
    """Are these files there, whole, and no others but compiled bytecode?"""
    if not into.is_dir():
        return False
    found = {path.relative_to(into).as_posix() for path in into.rglob("*") if not path.is_dir() or path.is_symlink()}
    if {name for name in found if BYTECODE not in name.split("/")} != {file.path for file in wanted}:
        return False
    return all(not (into / file.path).is_symlink() and (into / file.path).read_bytes() == file.data for file in wanted)


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.data)
    path.chmod(0o755 if file.executable else 0o644)
    os.utime(path, (0, 0))  # as in the archive, so that compiled bytecode stays valid
