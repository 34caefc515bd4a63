"""Logs of daemons, bounded: each log and one predecessor, NAME.log.1.

There is no daemon for it. It happens whenever a command or a rollout looks, and a log that grew beyond the bound meanwhile is cut to its end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

MAX_BYTES = 20 << 20


def bound(folder: Path, but: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
    """Copy the end of each log that is too large, then empty it: its writer appends, so it goes on at the new end.

    What is written between copy and cut is lost: a few lines at most. The caller is alone.
    """
    for log in sorted(folder.glob("*.log")):
        if log != but and _size(log) > max_bytes:
            _copy_end(log, predecessor(log), max_bytes)
            os.truncate(log, 0)


def turn_over(log: Path, reopen: Callable[[], None], max_bytes: int = MAX_BYTES) -> None:
    """For a writer that makes its log anew after `reopen`: nothing is lost. Killed before that, the next call reopens. The caller is alone."""
    before = predecessor(log)
    if _size(log) > max_bytes:
        log.rename(before)
    if before.exists() and not log.exists():
        reopen()
    if log.exists() and _size(before) > max_bytes:  # its writer has let go of it
        _copy_end(before, before, max_bytes)


def predecessor(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _copy_end(log: Path, into: Path, max_bytes: int) -> None:
    """The last whole lines, with those that are written meanwhile."""
    new = into.with_name(f".{into.name}.new")
    with log.open("rb") as old, new.open("wb") as end:
        if (start := _size(log) - max_bytes) > 0:
            old.seek(start - 1)
            old.readline(max_bytes)  # the rest of a line, or nothing but the end of one
        end.write(old.read(2 * max_bytes))
    new.replace(into)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
