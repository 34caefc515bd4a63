"""A store of its own for a bench: two instances, database, edge; gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drill.engine import Call, Engine
from release.home import Home


@contextmanager
def store(home: Home, folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Engine, str]]:
    """Its commands, and the address of its edge. `folder` is the bench's own, and names the environment."""
    engine = Engine(home.root, f"bench-{folder.name[-8:].replace('_', '-')}", folder / "logs")
    try:
        say("run the store: two instances, database, edge")
        yield engine, str(done(engine.up())["address"])
    finally:
        done(engine.down())


def done(call: Call) -> dict[str, Any]:
    call.wait()
    return dict(call.answer())
