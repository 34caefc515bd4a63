"""The append-only, hash-chained, fsynced record of every decision. `fold` of it is the state; there is no second copy.

A line per entry: {seq, wall, mono_s, kind, name, actor, data, prev, hash}; hash = SHA-256 over the line's canonical JSON without
`hash`, so changing, dropping or reordering a line breaks the chain at that line. Intent is written before an effect, its result after.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from release.errors import LedgerDamaged
from release.events import COMMANDS, EVENTS, Command, Event, Fact, LedgerRepaired, name_of
from release.rollout import State, advance

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line. `wall` is for people (UTC), `mono_s` for durations."""

    seq: int
    wall: str
    mono_s: float
    kind: str  # event or command
    name: str
    actor: str
    data: dict[str, Any]
    prev: str
    hash: str

    def fact(self) -> Fact:
        """Raises KeyError for an unknown name, pydantic's ValidationError for unfitting data."""
        fact: Fact = _adapter(self.kind, self.name).validate_python(self.data)
        return fact


@cache
def _adapter(kind: str, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[name] if kind == "event" else COMMANDS[name])


class Damaged(LedgerDamaged):
    """Where the chain breaks, and what of it still holds."""

    def __init__(self, path: Path, line: int, what: str, good: list[Entry], good_bytes: int) -> None:
        super().__init__(f"{path}:{line}: {what}. Lines 1 to {line - 1} are intact.")
        self.path, self.line, self.good, self.good_bytes = path, line, good, good_bytes


def fold(entries: Iterable[Entry]) -> State:
    """The state that these entries lead to. Commands are intentions; only events change it."""
    state = State()
    for entry in entries:
        fact = entry.fact()
        if isinstance(fact, Event):
            state, _ = advance(state, fact)
    return state


def read(path: Path) -> list[Entry]:
    """All entries, verified. Raises Damaged (a LedgerDamaged) naming the line; a missing file is an empty ledger."""
    return Ledger(path).entries()


def _parse(path: Path, raw: bytes, before: list[Entry]) -> list[Entry]:
    """Entries of `raw`, which follows the intact entries `before`."""
    entries = list(before)
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start)
        line = len(entries) + 1
        if end < 0:
            raise Damaged(path, line, "the last line is cut off", entries, start)
        try:
            entries.append(_entry(raw[start:end], entries[-1].hash if entries else GENESIS, line))
        except (ValueError, KeyError, TypeError) as problem:
            raise Damaged(path, line, str(problem) or type(problem).__name__, entries, start) from problem
        start = end + 1
    return entries


def _entry(line: bytes, prev: str, seq: int) -> Entry:
    try:
        value = json.loads(line)
        entry = Entry(**value)
    except (ValueError, TypeError) as problem:
        raise ValueError("this line is not a ledger entry") from problem
    if entry.hash != _hash(value) or line != _canonical(value):
        raise ValueError("this line was changed: its hash does not match")
    if entry.prev != prev or entry.seq != seq:
        raise ValueError("a line before this one is missing or changed: the chain does not match")
    try:
        entry.fact()
    except (KeyError, ValidationError) as problem:
        raise ValueError(f"unknown entry {entry.kind} {entry.name}") from problem
    return entry


def _hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical({key: part for key, part in value.items() if key != "hash"})).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


class Ledger:
    """One environment's ledger on disk. Several processes may append; each append is atomic under a file lock.

    `actor` is who writes; `listener` hears each entry that this object writes or reads for the first time.
    """

    def __init__(self, path: Path, actor: str | None = None, listener: Callable[[Entry], None] | None = None) -> None:
        self.path = path
        self.actor = actor or _person()
        self.listener = listener
        self._entries: list[Entry] = []
        self._read_bytes = 0

    def entries(self) -> list[Entry]:
        self.unseen()
        return list(self._entries)

    def unseen(self) -> list[Entry]:
        """Entries since the last call of `unseen`, `entries` or `append`. Raises Damaged."""
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)  # never see half of a line that is being written
                new = self._catch_up(file)
        except FileNotFoundError:
            return []
        for entry in new:
            self._tell(entry)
        return new

    def append(self, fact: Fact, *, only_if_seen: bool = False) -> Entry | None:
        """Write one entry durably. With `only_if_seen`, None and nothing written when others have written meanwhile."""
        with self._locked() as file:
            new = self._catch_up(file)
            if new and only_if_seen:
                self._forget(len(new))
                return None
            entry = self._next(fact)
            line = _canonical(asdict(entry)) + b"\n"
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self._entries.append(entry)
            self._read_bytes += len(line)
        self._tell(entry)
        return entry

    def repair(self, reason: str) -> LedgerRepaired | None:
        """Set the part from the first damaged line on aside and record that. None where nothing is damaged."""
        with self._locked() as file:
            try:
                self._entries, self._read_bytes = [], 0
                self._catch_up(file)
            except Damaged as damage:
                file.seek(damage.good_bytes)
                bad = file.read()
                aside = self.path.with_name(f"{self.path.name}.damaged-{int(time.time())}")
                _write_durably(aside, bad)
                file.truncate(damage.good_bytes)
                os.fsync(file.fileno())
                self._entries, self._read_bytes = damage.good, damage.good_bytes
                repaired = LedgerRepaired(damage.line, damage.what, aside.name, reason, tuple(_quarantined(bad)))
            else:
                return None
        self.append(repaired)
        return repaired

    def _next(self, fact: Fact) -> Entry:
        last = self._entries[-1] if self._entries else None
        value: dict[str, Any] = {
            "seq": len(self._entries) + 1,
            "wall": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "mono_s": round(time.monotonic(), 6),
            "kind": "command" if isinstance(fact, Command) else "event",
            "name": name_of(type(fact)),
            "actor": self.actor,
            "data": _data(fact),
            "prev": last.hash if last else GENESIS,
        }
        return Entry(**value, hash=_hash(value))

    def _catch_up(self, file: IO[bytes]) -> list[Entry]:
        file.seek(self._read_bytes)
        raw = file.read()
        try:
            entries = _parse(self.path, raw, self._entries)
        except Damaged as damage:
            damage.good_bytes += self._read_bytes
            raise
        new = entries[len(self._entries) :]
        self._entries, self._read_bytes = entries, self._read_bytes + len(raw)
        return new

    def _tell(self, entry: Entry) -> None:
        if self.listener:
            self.listener(entry)

    def _forget(self, count: int) -> None:
        """Let `unseen` return the last `count` entries again."""
        dropped = self._entries[-count:]
        self._entries = self._entries[:-count]
        self._read_bytes -= sum(len(_canonical(asdict(entry))) + 1 for entry in dropped)

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


def _data(fact: Fact) -> dict[str, Any]:
    """As plain JSON values: what is written is exactly what will be read."""
    kind = "command" if isinstance(fact, Command) else "event"
    return dict(_adapter(kind, name_of(type(fact))).dump_python(fact, mode="json"))


def _quarantined(raw: bytes) -> Iterator[str]:
    """Digests that unreadable history quarantined: better one too many."""
    for line in raw.splitlines():
        try:
            value = json.loads(line)
            if value["name"] == "quarantined":
                yield str(value["data"]["digest"])
        except (ValueError, KeyError, TypeError):
            continue


def _write_durably(path: Path, raw: bytes) -> None:
    with path.open("xb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _person() -> str:
    """Who acts: SLIPWAY_ACTOR, which a runner sets for the person behind it; else the login."""
    if named := os.environ.get("SLIPWAY_ACTOR"):
        return named[:100]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.getuid()}"
