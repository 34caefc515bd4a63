"""An environment in memory: the real engine on the twins of its ports, for tests of the engine's rules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

from release.adapters.memory import MemoryApprovers, MemoryArtifacts, MemoryClock, MemoryEdge, MemoryFlags, MemoryRuntime, MemorySmoke
from release.engine import Engine, World
from release.events import Event
from release.home import Home
from release.ledger import Entry, Ledger, read
from release.policy import Policy
from release.policy import read as read_policy

OLDER, OLD, NEW, NEXT = (f"sha256:{digit * 64}" for digit in "0123")


class Killed(BaseException):
    """kill -9: nothing after it runs."""


class Lab:
    """An environment on in-memory adapters that survive their engine, as real processes do."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.policy = policy
        self.path = folder / "ledger.jsonl"
        self.clock = MemoryClock()
        self.flags = MemoryFlags()
        self.edge = MemoryEdge(self.clock, self.flags)
        self.runtime = MemoryRuntime()
        self.artifacts = MemoryArtifacts()
        self.smoke = MemorySmoke()
        self.approvers = MemoryApprovers()
        self.name = "local"  # where nobody is asked
        for digest in (OLDER, OLD, NEW, NEXT):
            self.artifacts.add(digest)

    def engine(self) -> Engine:
        world = World(
            self.artifacts, self.runtime, self.edge, self.smoke, self.clock, flags=self.flags, approvers=self.approvers, name=self.name
        )
        return Engine(self.policy, Ledger(self.path, actor="lab"), world)

    def serving(self, *digests: str) -> Lab:
        for digest in digests:
            assert self.engine().deploy(digest, "set the scene").outcome == "promoted"
        return self

    def fork(self, folder: Path, lines: int | None = None) -> Lab:
        """The same world and ledger (or its first `lines`) once more."""
        twin = copy.deepcopy(self)
        twin.path = folder / "ledger.jsonl"
        folder.mkdir()
        twin.path.write_bytes(b"".join(self.path.read_bytes().splitlines(keepends=True)[:lines]))
        return twin

    def killed_after(self, writes: int, action: Callable[[Engine], object]) -> bool:
        """Run `action` on an engine that dies right after its `writes`-th ledger entry. False when it ended before."""
        engine = self.engine()

        def count(_: Entry) -> None:
            nonlocal writes
            writes -= 1
            if writes == 0:
                raise Killed

        engine.ledger.listener = count
        try:
            action(engine)
        except Killed:
            return True
        return False

    def names(self) -> list[str]:
        return [entry.name for entry in read(self.path)]

    def last(self, kind: type[Event]) -> Event:
        return next(fact for entry in reversed(read(self.path)) if isinstance(fact := entry.fact(), kind))


def brief_policy() -> Policy:
    """The real one with brief bakes: what takes a minute there takes as many looks here."""
    real = read_policy(Home.find().policy)
    return real.model_copy(update={"steps": tuple(step.model_copy(update={"bake_s": min(step.bake_s, 3)}) for step in real.steps)})
