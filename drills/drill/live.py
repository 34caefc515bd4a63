"""What is going on now: the last seconds of the client's responses and the ledger's latest word."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drill.lanes import Lane
from drill.samples import Response, Tail
from drill.statistics import percentile
from release import events as e
from release.home import short
from release.ledger import Entry, Ledger
from release.narrate import tell

WINDOW_S = 5.0


@dataclass(frozen=True)
class LaneNow:
    requests_per_s: float
    failed_share: float | None  # None: no answers
    p95_ms: float | None


@dataclass(frozen=True)
class Now:
    """One look, for people."""

    weight_pct: int
    lanes: dict[Lane, LaneNow]
    look: e.GateLooked | None


class Live:
    """Follows a run's two files. `responses` grows with the run."""

    def __init__(self, ledger: Path, samples: Path) -> None:
        self.ledger, self._tail = Ledger(ledger), Tail(samples)
        self.responses: list[Response] = []
        self.entries: list[Entry] = []
        self.canary: str | None = None
        self._recent: deque[Response] = deque()
        self._weight_pct = 0
        self._look: e.GateLooked | None = None

    def poll(self) -> list[str]:
        """Take in what is new; sentences for people about what the engine did."""
        new = self._tail.responses()
        self.responses += new
        self._recent.extend(new)
        return [sentence for entry in self.ledger.unseen() for sentence in self._heard(entry)]

    def now(self) -> Now:
        from_s = time.monotonic() - WINDOW_S
        while self._recent and self._recent[0].done_s < from_s:
            self._recent.popleft()
        lanes: dict[Lane, list[Response]] = {"baseline": [], "canary": []}
        for response in self._recent:
            mine = self.canary is not None and response.release == short(self.canary)
            lanes["canary" if mine else "baseline"].append(response)
        return Now(self._weight_pct, {lane: _lane(responses) for lane, responses in lanes.items()}, self._look)

    def _heard(self, entry: Entry) -> Iterator[str]:
        self.entries.append(entry)
        fact = entry.fact()
        if isinstance(fact, e.SplitSet):
            self._weight_pct = fact.weight_pct if fact.canary else 0
        if isinstance(fact, e.GateLooked):
            self._look = fact
        sentence = tell(entry)
        if sentence and not (isinstance(fact, e.GateLooked) and fact.verdict != "FAIL"):
            yield " ".join(sentence.split())


def _lane(responses: list[Response]) -> LaneNow:
    if not responses:
        return LaneNow(0.0, None, None)
    failed = sum(response.failed for response in responses)
    p95_ms = percentile(sorted(response.latency_ms for response in responses), 95)
    return LaneNow(len(responses) / WINDOW_S, failed / len(responses), p95_ms)
