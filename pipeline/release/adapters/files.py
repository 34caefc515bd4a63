"""Files and folders that are there completely or not at all, whenever we are killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release.errors import MachineLacks


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write beside it, then rename: a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def alone(target: Path, patience_s: float) -> Iterator[None]:
    """One maker of `target` at a time, over all processes; the kernel frees the lock of one that dies. Raises MachineLacks when it takes too long."""
    target.parent.mkdir(parents=True, exist_ok=True)
    end_s = time.monotonic() + patience_s
    with open(target.with_name(f".{target.name}.lock"), "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end_s:
                    raise MachineLacks(
                        f"Another process has been making {target} for {patience_s:g} s.", remedy="Wait for it, then call again."
                    ) from None
                time.sleep(0.02)
        yield


def make(target: Path, build: Callable[[Path], None]) -> None:
    """Build a folder beside `target`, then put it in `target`'s place. The caller holds `alone(target)`."""
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    build(new)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def make_once(target: Path, patience_s: float, build: Callable[[Path], None]) -> Path:
    """Have the folder `target`, made by whoever comes first. Raises as `alone` and `build` do."""
    if not target.is_dir():
        with alone(target, patience_s):
            if not target.is_dir():
                make(target, build)
    return target
