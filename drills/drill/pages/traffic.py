"""Shoppers under the same open-loop schedule as the API's load: each comes at its time, whether or not earlier ones are done."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from drill.load.schedule import KIND, Arrival, Plan
from drill.load.users import country
from drill.pages.browsers import Browsers, Shopper
from drill.samples import ClientTotals

AT_ONCE_MAX = 60
ENDING_S = 9.0  # how long journeys under way may still take at the end


class Traffic:
    """Writes `samples` and, at the end, load.json beside it."""

    def __init__(self, address: str, modules: Path, plan: Plan, samples: Path, max_s: float) -> None:
        self._browsers = Browsers(address, modules)
        self._plan, self._samples, self._max_s = plan, samples, max_s
        self._stopped = asyncio.Event()
        self._walking: set[asyncio.Task[None]] = set()
        self._late_ms: list[float] = []
        self._arrivals = self._answered = self._dropped = 0

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        """Until stopped, or `max_s`; then waits for the journeys under way, bounded."""
        await self._browsers.start()
        started_s = time.monotonic()
        await self._arrive(started_s)
        unfinished = (await asyncio.wait(self._walking, timeout=ENDING_S))[1] if self._walking else set()
        self._report(started_s, len(unfinished))
        for walk in unfinished:
            walk.cancel()
        await self._browsers.stop()

    async def _arrive(self, started_s: float) -> None:
        for arrival in self._plan.arrivals():
            if arrival.at_s >= self._max_s or await self._stopped_by(started_s + arrival.at_s):
                return
            self._arrivals += 1
            if len(self._walking) >= AT_ONCE_MAX:
                self._dropped += 1
                continue
            walk = asyncio.create_task(self._one(arrival, started_s + arrival.at_s))
            self._walking.add(walk)
            walk.add_done_callback(self._walking.discard)

    async def _stopped_by(self, at_s: float) -> bool:
        try:
            await asyncio.wait_for(self._stopped.wait(), max(0.0, at_s - time.monotonic()))
        except TimeoutError:
            return False
        return True

    async def _one(self, arrival: Arrival, intended_s: float) -> None:
        responses = await self._browsers.serve(Shopper(arrival.user, country(arrival.user), arrival.dice, intended_s))
        self._answered += 1
        self._late_ms.append((responses[0].sent_s - intended_s) * 1000)
        with self._samples.open("a", encoding="utf-8") as file:
            file.write("".join(f"{response.line()}\n" for response in responses))

    def _report(self, started_s: float, unfinished: int) -> None:
        late = sorted(self._late_ms)
        ClientTotals(
            schedule=f"pages, {KIND}, {self._plan.rate_per_s:g}/s, {self._plan.users} users, seed {self._plan.seed}",
            started_s=started_s,
            ended_s=time.monotonic(),
            arrivals=self._arrivals,
            answered=self._answered,
            dropped=self._dropped,
            unfinished=unfinished,
            late_ms_p99=late[int(len(late) * 0.99)] if late else 0.0,
        ).write(self._samples.with_name("load.json"))
