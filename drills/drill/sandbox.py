"""A drill's own environment, with an owner: one whose drill was killed is found and cleaned up by the next command."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drill.engine import Engine
from release.home import Home

KEPT = "kept"


@dataclass(frozen=True)
class Left:
    """An environment that no living drill owns. `kept`: somebody asked for that."""

    env: str
    kept: bool
    mark: Path


def env_of(run: str) -> str:
    return f"drill-{run}"


@contextmanager
def owned(home: Home, run: str, *, keep: bool) -> Iterator[str]:
    """Own the environment of `run`. The lock is the kernel's: it falls with the process, however that dies."""
    with _locked(home):
        mark = _marks(home) / f"{env_of(run)}.owner"
        file = mark.open("w", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX)
    with file:
        try:
            yield env_of(run)
        finally:
            if not home.env(env_of(run)).exists():
                mark.unlink()
            elif keep:
                file.write(KEPT)


def left(home: Home) -> list[Left]:
    """What dead drills left, and what was kept."""
    with _locked(home):
        said = {mark: _last_word(mark) for mark in sorted(_marks(home).glob("*.owner"))}
    return [Left(mark.stem, word == KEPT, mark) for mark, word in said.items() if word is not None]


def clean(home: Home, one: Left) -> None:
    """Stop its rollout, its releases, edge and database, and delete its state. Raises EngineSaid where that fails."""
    with suppress(FileNotFoundError), one.mark.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another drill may be cleaning the same: then it is gone when we have waited
        if not one.mark.exists():
            return
        logs = one.mark.with_suffix("")
        down = Engine(home.root, one.env, logs).down()
        down.wait()
        down.answer()
        shutil.rmtree(logs)
        one.mark.unlink()


def _last_word(mark: Path) -> str | None:
    """What its owner wrote into it at the end; None where the owner lives, or where there is nothing to clean up any more."""
    try:
        with mark.open("r", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file.read()
    except (BlockingIOError, FileNotFoundError):
        return None


def _marks(home: Home) -> Path:
    folder = home.var / "drills"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked(home: Home) -> Iterator[IO[str]]:
    """No drill is mistaken for dead between making its mark and locking it."""
    with open(os.open(_marks(home) / "lock", os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
