"""What the client saw: one response per line of samples.jsonl. The client's word counts, not the engine's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Response(NamedTuple):
    """One response that a user got, or did not get (`status` 0). Times are seconds of CLOCK_MONOTONIC.

    `intended_s` is when the open-loop schedule wanted to send it; latency counts from there, so that waiting in the client is
    not hidden (Tene's coordinated omission). `release` is the first 12 hex of the digest that answered; None: the edge itself, or nobody.
    `variants` is what the answer says of the flags that it used: `pricing-v2=on`.
    """

    intended_s: float
    sent_s: float
    done_s: float
    user: str
    op: str
    status: int
    release: str | None = None
    key: str | None = None
    order: str | None = None
    error: str | None = None
    variants: str | None = None

    @property
    def latency_ms(self) -> float:
        return (self.done_s - self.intended_s) * 1000

    @property
    def failed(self) -> bool:
        """As the gate counts it: a 5xx, or no answer."""
        return self.status == 0 or self.status >= 500

    @property
    def acknowledged(self) -> bool:
        """An order that the store promised to keep."""
        return self.key is not None and self.status in (200, 201)

    def used(self, variant: str) -> bool:
        """`pricing-v2=on`?"""
        return self.variants is not None and variant in self.variants.split(",")

    def line(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))


def parse(line: str | bytes) -> Response:
    return Response(**json.loads(line))


def kind_of_error(status: int, body: Any) -> str:
    """`503 database-away`: as the store's problem document (RFC 9457) names it; the status alone, where there is none."""
    kind = body.get("type") if isinstance(body, dict) else None
    return f"{status} {str(kind).rpartition('/')[2]}" if kind else str(status)


class Tail:
    """Reads whole lines that were appended to a file since the last call; a half-written line waits for its end."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, 0, b""

    def lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return []
        self._at += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        return [line for line in whole if line]

    def responses(self) -> list[Response]:
        return [parse(line) for line in self.lines()]

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]


def read(path: Path) -> list[Response]:
    """All responses of a finished run, in the order in which they came."""
    return sorted(Tail(path).responses(), key=lambda response: response.done_s)


@dataclass(frozen=True)
class ClientTotals:
    """What the load process says about itself when it ends (load.json)."""

    schedule: str
    started_s: float
    ended_s: float
    arrivals: int  # that the schedule wanted
    answered: int  # with or without success
    dropped: int  # never sent: all `concurrency` places were taken
    unfinished: int  # sent, and neither answered nor timed out when the client stopped
    late_ms_p99: float  # how late the client itself sent them

    @property
    def kept_up(self) -> bool:
        return self.dropped == 0 and self.unfinished == 0

    def write(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> ClientTotals | None:
        """None: the client was killed before it could say anything."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def users(responses: Iterator[Response]) -> int:
    return len({response.user for response in responses})
