"""Node processes that run pages. Contexts of ECMAScript modules are never quite freed, so each process serves some shoppers and goes."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from drill.pages.modules import JS
from drill.samples import Response
from release.adapters.node import NODE

SHOPPERS_MAX = 60  # some 5 MB each
LINE_MAX = 1 << 20
FLAGS = ("--experimental-vm-modules", "--no-warnings")


@dataclass(frozen=True)
class Shopper:
    """`dice`, 0 to 1, chooses the product."""

    user: str
    country: str
    dice: float
    intended_s: float


@dataclass
class Browser:
    """One process; its stdin is its leash."""

    process: Process
    taken: int = 0
    waiting: dict[int, asyncio.Future[list[Response]]] = field(default_factory=dict)

    @classmethod
    async def start(cls, address: str, modules: Path) -> Browser:
        argv = [str(NODE / "bin" / "node"), *FLAGS, str(JS / "main.js"), address]
        environment = {**os.environ, "PAGES_MODULES": str(modules)}
        process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, env=environment, limit=LINE_MAX)
        assert process.stdout
        await process.stdout.readline()  # it is ready, or it has ended and its journeys say so
        return cls(process)

    @property
    def full(self) -> bool:
        return self.taken >= SHOPPERS_MAX

    def take(self, number: int, shopper: Shopper) -> asyncio.Future[list[Response]]:
        self.taken += 1
        self.waiting[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"id": number, **asdict(shopper)}).encode() + b"\n")
        if self.full:
            self.process.stdin.close()  # it ends with its last shopper
        return self.waiting[number]

    async def listen(self) -> None:
        """Until the process ends; whoever still waits then gets no answer."""
        assert self.process.stdout
        async for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            self.waiting.pop(said["id"]).set_result([Response(**one) for one in said["responses"]])
        for unanswered in self.waiting.values():
            unanswered.set_exception(EOFError("The process that ran the page has ended."))
        await self.process.wait()


class Browsers:
    """Two at work in turn, so that one shopper's script does not hold up all others; the next one is started before it is needed."""

    def __init__(self, address: str, modules: Path) -> None:
        self._address, self._modules = address, modules
        self._numbers = count()
        self._at_work: list[asyncio.Task[Browser]] = []
        self._next: asyncio.Task[Browser]
        self._listening: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Returns when they are ready."""
        self._at_work = [asyncio.create_task(self._start()) for _ in range(2)]
        first, _ = await asyncio.gather(*self._at_work)
        first.taken = SHOPPERS_MAX // 2  # so that they do not both go at the same time
        self._next = asyncio.create_task(self._start())

    async def _start(self) -> Browser:
        browser = await Browser.start(self._address, self._modules)
        listening = asyncio.create_task(browser.listen())
        self._listening.add(listening)
        listening.add_done_callback(self._listening.discard)
        return browser

    async def serve(self, shopper: Shopper) -> list[Response]:
        """All responses of one journey. Raises EOFError when the process died under it."""
        number = next(self._numbers)
        at = number % len(self._at_work)
        browser = await self._at_work[at]
        while browser.full:  # others came while we waited
            browser = await self._at_work[at]
        answer = browser.take(number, shopper)
        if browser.full:
            self._at_work[at], self._next = self._next, asyncio.create_task(self._start())
        return await answer

    async def stop(self) -> None:
        """Ends them all; a journey under way goes on to its own end, until we kill it by going."""
        for browser in await asyncio.gather(*self._at_work, self._next):
            if browser.process.returncode is None:
                browser.process.kill()
        await asyncio.gather(*self._listening, return_exceptions=True)
