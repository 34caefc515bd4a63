"""One rollout per environment at a time: a file lock that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from release.errors import RolloutInProgress


@dataclass(frozen=True)
class Holder:
    """Who holds the lock. `created_s` tells a process from a later one with the same pid."""

    pid: int
    created_s: float
    what: str

    def process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            return process if abs(process.create_time() - self.created_s) < 0.01 and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Raises RolloutInProgress, at once, naming the holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = holder(path)
            by = f"`{other.what}` (pid {other.pid})" if other else "another process"
            raise RolloutInProgress(f"This environment is held by {by}.") from None
        file.truncate()
        json.dump(asdict(Holder(os.getpid(), psutil.Process().create_time(), what)), file)
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def holder(path: Path) -> Holder | None:
    """The living process that holds the lock, if any."""
    try:
        found = Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.process() else None


def evict(found: Holder, patience_s: float) -> None:
    """End an engine that does not answer: the way back must not wait for it."""
    process = found.process()
    if process is None:
        return
    process.send_signal(signal.SIGKILL)
    end_s = time.monotonic() + patience_s
    while found.process() and time.monotonic() < end_s:
        time.sleep(0.01)
