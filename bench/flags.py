"""Kill of a flag, to the last evaluation that still says "on", over all instances under drill load.

A store of two instances under a drill's traffic; a flag that is on for everybody is killed by the ops API, again and again. Two probes ask OFREP through
the edge, which sends them to both instances in turn; open pages are clients of OFREP's stream of events, as the browser's provider is one: on an event they
ask again, as of the version that the event names. All times count from just before the kill was sent, until an answer was there.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.result import Result, Row
from bench.store import done, store
from drill import samples
from drill.oncall import OnCall
from drill.scenario import Load
from drill.traffic import Traffic
from release.errors import DrillInvalid
from release.home import Home

FLAG, ON = "pricing-v2", "pricing-v2=on"
KILLS, QUICK_KILLS = 100, 10
PROBES, PROBE_EVERY_S = 2, 0.008
PAGES = 4
SETTLE_S = 0.4  # after the last answer that said on; longer than anything promised
WAIT_S = 15.0


@dataclass
class Asked:
    """One client's answers: when each came, and whether the flag was on."""

    answers: list[tuple[float, bool]] = field(default_factory=list)

    def last_on_s(self, from_s: float, to_s: float) -> float | None:
        return max((at_s for at_s, on in self.answers if on and from_s <= at_s <= to_s), default=None)

    def first_off_s(self, from_s: float) -> float | None:
        return next((at_s for at_s, on in self.answers if not on and at_s >= from_s), None)


@dataclass
class Clients:
    address: str
    ended: threading.Event = field(default_factory=threading.Event)
    probes: list[Asked] = field(default_factory=lambda: [Asked() for _ in range(PROBES)])
    pages: list[Asked] = field(default_factory=lambda: [Asked() for _ in range(PAGES)])

    def start(self) -> None:
        self.threads = [threading.Thread(target=self._probe, args=(one,), daemon=True) for one in self.probes]
        self.threads += [threading.Thread(target=self._page, args=(one, number), daemon=True) for number, one in enumerate(self.pages)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(20)

    def all_say(self, on: bool) -> bool:
        return all(one.answers and one.answers[-1][1] is on for one in (*self.probes, *self.pages))

    def _probe(self, asked: Asked) -> None:
        with httpx.Client(base_url=self.address, timeout=5, trust_env=False) as client:
            while not self.ended.wait(PROBE_EVERY_S):
                answer = client.post(f"/ofrep/v1/evaluate/flags/{FLAG}", json={"context": {"targetingKey": "probe"}})
                asked.answers.append((time.monotonic(), answer.json().get("variant") == "on"))

    def _page(self, asked: Asked, number: int) -> None:
        """As the OFREP web provider: evaluate all, listen, evaluate again on each event."""
        cookie = {"cookie": f"client-id=page-{number}"}
        with httpx.Client(base_url=self.address, timeout=httpx.Timeout(5, read=20), headers=cookie, trust_env=False) as client:
            while not self.ended.is_set():
                self._evaluate(client, asked, None)
                with client.stream("GET", "/ofrep/v1/events") as stream:
                    for line in stream.iter_lines():
                        if self.ended.is_set():
                            return
                        if line.startswith("data:"):
                            self._evaluate(client, asked, json.loads(line.removeprefix("data:"))["etag"])

    def _evaluate(self, client: httpx.Client, asked: Asked, etag: str | None) -> None:
        known = {"flagConfigEtag": etag} if etag else {}
        answer = client.post("/ofrep/v1/evaluate/flags", params=known, json={"context": {"targetingKey": "page"}})
        on = any(one["key"] == FLAG and one.get("variant") == "on" for one in answer.json()["flags"])
        asked.answers.append((time.monotonic(), on))


@dataclass(frozen=True)
class Kill:
    asked_s: float
    answered_s: float
    until_s: float  # then it was turned on again


def run(home: Home, quick: bool, say: Callable[[str], None]) -> Result:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder, store(home, Path(folder), say) as (engine, address):
        on_call = OnCall(address, done(engine.token())["token"])
        load, file = Load(rate_per_s=120, max_s=3600), Path(folder) / "samples.jsonl"
        traffic, clients = Traffic.start(address, load, file, Path(folder) / "load.log"), Clients(address)
        try:
            clients.start()
            kills = _kill_again_and_again(on_call, clients, QUICK_KILLS if quick else KILLS, say)
        finally:
            clients.stop()
            traffic.stop()
        return result(kills, clients, samples.read(file), load)


def _kill_again_and_again(on_call: OnCall, clients: Clients, kills: int, say: Callable[[str], None]) -> list[Kill]:
    ended = []
    for number in range(kills):
        on_call.turn_on(FLAG, 100)
        _until(lambda: clients.all_say(True), "the flag did not get on for everybody")
        time.sleep(SETTLE_S / 4)
        act = on_call.kill(FLAG)
        _until(lambda: clients.all_say(False), "the flag did not get off for everybody")
        time.sleep(SETTLE_S)
        ended.append(Kill(act.asked_s, act.answered_s, time.monotonic()))
        if (number + 1) % 10 == 0:
            say(f"{number + 1} of {kills} kills")
    return ended


def _until(true: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        if time.monotonic() > end_s:
            raise DrillInvalid(f"{what} within {WAIT_S:g} s.", remedy="Run it again on a quieter machine.")
        time.sleep(0.005)


def result(kills: list[Kill], clients: Clients, responses: list[samples.Response], load: Load) -> Result:
    """Pure. A kill after which nobody was told "on" any more counts as 0."""
    told = [one for one in responses if one.used(ON)]
    evaluations, answers, asked, pages = [], [], [], []
    for kill in kills:
        last = [one.last_on_s(kill.asked_s, kill.until_s) or kill.asked_s for one in clients.probes]
        evaluations.append(_ms(kill, max(last)))
        answers.append(_ms(kill, max([kill.asked_s, *(one.done_s for one in told if kill.asked_s <= one.done_s <= kill.until_s)])))
        asked.append(_ms(kill, max([kill.asked_s, *(one.sent_s for one in told if kill.asked_s <= one.sent_s <= kill.until_s)])))
        pages += [_ms(kill, off_s) for one in clients.pages if (off_s := one.first_off_s(kill.asked_s)) is not None]
    rows = (
        Row('last evaluation that says "on"', evaluations, "median 100, p99 250"),
        Row("last request of a user that was priced by it: sent", asked),
        Row("… answered", answers),
        Row(f"open pages ({PAGES}): evaluated again, off", pages, "1000"),
        Row("the API's answer to the kill", [_ms(kill, kill.answered_s) for kill in kills]),
    )
    rate = sum(len(one.answers) for one in clients.probes) / max(1e-9, kills[-1].until_s - kills[0].asked_s)
    note = f"2 instances, {load.rate_per_s:g} requests/s of a drill's users and {rate:.0f} evaluations/s of the probes; {len(told)} answers used the flag."
    return Result("ms", rows, (note,))


def _ms(kill: Kill, at_s: float) -> float:
    return (at_s - kill.asked_s) * 1000
