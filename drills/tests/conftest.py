"""Small stories, written by hand: a ledger, the client's responses to it, and what a drill makes of them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drill import decisions
from drill.checks import Facts, Took, is_bad
from drill.lanes import lanes
from drill.orders import OrderCheck
from drill.report.fold import Context, fold
from drill.samples import ClientTotals, Response
from drill.scenario import Drill, Scenario
from drill.times import Slo, moments, times
from release import events as e
from release.home import Home, short
from release.ledger import Entry

BASELINE = "sha256:" + "b" * 64
CANARY = "sha256:" + "c" * 64
ROOT = Home.find(Path(__file__)).root

BUDGETS = {"build_s": 30, "deploy_s": 30, "detect_s": 45, "revert_s": 1.0, "mitigate_s": 46, "recover_s": 60, "verdict_canary_requests": 40}
EXPECT: dict[str, Any] = {
    "bad-release": {"outcome": "aborted", "verdict": "FAIL", "because": "failures", "users_see": "failures", "weight_pct_max": 1},
    "slow-release": {"outcome": "aborted", "verdict": "FAIL", "because": "slow", "users_see": "slow", "weight_pct_max": 10},
    "crash-on-start": {"outcome": "aborted", "users_see": "nothing", "weight_pct_max": 0},
    "healthy-release": {"outcome": "promoted", "verdict": "PASS", "users_see": "health"},
}


@dataclass
class Story:
    """Times are seconds of an imaginary monotonic clock. `tell` adds a ledger entry, `answer` a response that a user got."""

    drill: Drill
    entries: list[Entry] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    client: ClientTotals | None = field(default_factory=lambda: ClientTotals("constant", 0, 60, 10, 10, 0, 0, 2.0))
    orders: OrderCheck | None = None
    steps: tuple[Took, ...] = ()
    slo: Slo = field(default_factory=lambda: Slo(slow_ms=250, failures_share=0.01, slow_share=0.05, broken_share=0.005))
    build_s: float = 2.0
    baseline: str = BASELINE
    canary: str = CANARY

    def tell(self, at_s: float, fact: e.Fact) -> Story:
        kind = "event" if isinstance(fact, e.Event) else "command"
        wall = f"2026-11-23T13:{int(at_s // 60):02d}:{at_s % 60:09.6f}Z"
        data = json.loads(json.dumps(asdict(fact)))
        self.entries.append(Entry(len(self.entries) + 1, wall, at_s, kind, e.name_of(type(fact)), "test", data, "", ""))
        return self

    def answer(self, done_s: float, release: str | None = BASELINE, **more: Any) -> Story:
        """Sent 10 ms before, unless it says otherwise."""
        given = {"intended_s": done_s - 0.01, "sent_s": done_s - 0.01, "user": f"u{len(self.responses):04d}", "op": "list", "status": 200}
        self.responses.append(Response(**{**given, **more}, done_s=done_s, release=short(release) if release else None))
        return self

    def calm(self, from_s: float, to_s: float, per_s: int = 20) -> Story:
        """Good answers of the baseline."""
        for number in range(int((to_s - from_s) * per_s)):
            self.answer(from_s + number / per_s)
        return self

    def begin(self, at_s: float = 10.0) -> Story:
        """Requested at `at_s`, 1 % two seconds later."""
        self.tell(at_s, e.RolloutRequested("r1", CANARY, "a drill", (), 2))
        self.tell(at_s + 1, e.SetSplit(BASELINE, CANARY, 0))
        self.tell(at_s + 1, e.SplitSet(BASELINE, CANARY, 0, "1", 0.004, at_s + 1))
        self.tell(at_s + 2, e.SetSplit(BASELINE, CANARY, 1))
        return self.tell(at_s + 2, e.SplitSet(BASELINE, CANARY, 1, "2", 0.004, at_s + 2))

    def look(self, at_s: float, verdict: str = "INCONCLUSIVE", evidence: float = 1.0, canary: tuple[int, int] = (0, 0)) -> Story:
        tally = {"canary": {"requests": canary[0], "bad": canary[1]}, "baseline": {"requests": 900, "bad": 0}}
        counts = {"from_s": 0, "to_s": at_s, "failures": tally, "slow": tally, "client": tally, "canary_active": 0}
        reason = f"failures: {canary[1]} of {canary[0]} canary requests bad, baseline 0 of 900"
        health = {"failures": 1.0, "slow": 1.0, "client": 1.0}
        return self.tell(at_s, e.GateLooked(at_s, 1, verdict, (reason,), evidence, health, counts, counts))

    def way_back(self, decided_s: float, acknowledged_s: float) -> Story:
        self.tell(decided_s, e.SetSplit(BASELINE))
        self.tell(acknowledged_s, e.SplitSet(BASELINE, None, 0, "3", acknowledged_s - decided_s, acknowledged_s))
        self.tell(acknowledged_s + 0.1, e.Frozen("failures"))
        self.tell(acknowledged_s + 0.1, e.Quarantined(CANARY, "failures"))
        self.tell(acknowledged_s + 0.2, e.Drained(CANARY, 0.05, 0))
        self.tell(acknowledged_s + 0.3, e.ReleaseStopped(CANARY))
        return self.tell(acknowledged_s + 0.3, e.RolloutEnded("r1", "aborted", "failures: 9 of 12"))

    def facts(self) -> Facts:
        scenario = self.drill.scenario
        came = sorted(self.responses, key=lambda response: response.done_s)
        what = decisions.fold(self.entries, CANARY)
        of = lanes(came, CANARY, [shift.at_s for shift in what.shifts])
        when = moments(what, came, of, lambda response: is_bad(scenario, self.slo, response), self.slo, scenario.confirm_s)
        return Facts(scenario, self.slo, what, came, of, self.client, when, times(when, self.build_s), self.orders, steps=self.steps)

    def report(self) -> dict[str, Any]:
        machine = {"cpus": 2, "cpu_busy_pct": 40.0, "load_1m_before": 0.5, "load_1m_after": 1.1, "system": "Linux", "python": "3.11"}
        context = Context("a-run", "embedded", BASELINE, CANARY, "0123abc", True, machine, 12.5, 40.0, self.entries, 100.0)
        return fold(self.drill, self.facts(), context)


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def story() -> Callable[[str], Story]:
    """`story("bad-release")` begins an empty one with expectations like that scenario's; budgets only where a verdict is expected."""

    def begin(name: str) -> Story:
        budgets = BUDGETS if EXPECT[name].get("because") else {}
        scenario = Scenario(title=f"Story of {name}", hypothesis="It is noticed.", expect=EXPECT[name], budgets=budgets)
        return Story(Drill(name, ROOT / "drills" / "scenarios" / f"{name}.yaml", scenario, None))

    return begin


@pytest.fixture
def bad_story(story: Callable[[str], Story]) -> Story:
    """A rollout that goes as bad-release expects: impact at 13, verdict at 20, weight 0 at 20.05, last bad answer at 20.2."""
    told = story("bad-release").begin(10.0)
    told.look(15, evidence=2.5, canary=(5, 2)).look(20, "FAIL", 340.0, (12, 6)).way_back(20.01, 20.05)
    told.calm(5, 40)
    told.answer(12.5, CANARY, user="c1").answer(13, CANARY, status=500, user="c1").answer(14, CANARY, status=500, user="c2")
    told.answer(16, CANARY, status=500, user="c1").answer(19.9, CANARY, user="c3")
    return told.answer(20.2, CANARY, status=500, user="c3", sent_s=20.0)


class LittleStore:
    """A store's manners on a real socket, in a thread: for tests of the client, which must not depend on the real store's."""

    def __init__(self, delay_s: float, products: int, hang_up_every: int) -> None:
        self.delay_s, self.products, self.hang_up_every = delay_s, products, hang_up_every
        self.requests = self.at_once = self.most_at_once = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.thread.start()
        self.ready.wait(10)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()

    async def _run(self) -> None:
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.ready.set()
        await self.ended.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length.group(1)) if length else 0)
        self.requests += 1
        first_page = self.requests == 1
        if self.hang_up_every and self.requests % self.hang_up_every == 0:
            return False
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0 if first_page else self.delay_s)
        self.at_once -= 1
        status, body = self._page(head)
        text = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status}\r\nx-release: 0123456789ab\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return True

    def _page(self, head: str) -> tuple[str, dict[str, Any]]:
        if head.startswith("POST /api/orders"):
            return "201 Created", {"id": self.requests}
        return "200 OK", {"items": [{"id": number} for number in range(self.products)]}


@pytest.fixture
def little_store() -> Iterator[Callable[..., LittleStore]]:
    """`little_store(delay_s=0.3)` is one that answers late."""
    started: list[LittleStore] = []

    def start(delay_s: float = 0.0, products: int = 5, hang_up_every: int = 0) -> LittleStore:
        started.append(LittleStore(delay_s, products, hang_up_every))
        return started[-1]

    yield start
    for store in started:
        store.stop()
