"""Tells open pages that flags changed. A stream waits for the next snapshot and keeps nothing: a browser that reads slowly gets the newest."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.flags.feed import Feed
from app.flags.metrics import STREAMS
from app.problems import Overloaded

STREAMS_MAX = 200
HEARTBEAT_S = 15.0  # less than what proxies take for silence, and how soon we notice that a browser has gone
STREAM_S_MAX = 600.0
BACK_AFTER_MS = 500  # how long a browser waits before it comes back
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class EventStreams:
    def __init__(self, feed: Feed, stopping: asyncio.Event) -> None:
        self.feed, self.stopping = feed, stopping
        self.open = 0

    def answer(self, last_event_id: str | None) -> StreamingResponse:
        """Raises Overloaded."""
        if self.open >= STREAMS_MAX or self.stopping.is_set():
            raise Overloaded(f"At most {STREAMS_MAX} streams at once.")
        return _Counted(self, self._events(last_event_id))

    async def _events(self, told: str | None) -> AsyncIterator[bytes]:
        """One at once, so that a change between two streams is not missed; none where the browser knows this snapshot."""
        yield format_sse_event(comment="flags", retry=BACK_AFTER_MS)
        until_s = time.monotonic() + STREAM_S_MAX
        while not self.stopping.is_set() and time.monotonic() < until_s:
            etag = self.feed.provider.snapshot.etag
            if etag != told:
                told = etag
                yield format_sse_event(id=etag, data_str=json.dumps({"type": "refetchEvaluation", "etag": etag}))
            if not await self._changed(etag):
                yield format_sse_event(comment="still here")

    async def _changed(self, etag: str) -> bool:
        """Or the process is to stop, or it was quiet for long: False."""
        change = asyncio.create_task(self.feed.change(etag, HEARTBEAT_S))
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait((change, stop), return_when=asyncio.FIRST_COMPLETED)
            return self.feed.provider.snapshot.etag != etag or stop.done()
        finally:
            change.cancel()
            stop.cancel()


class _Counted(StreamingResponse):
    def __init__(self, streams: EventStreams, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers=HEADERS, media_type="text/event-stream")
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.streams.open += 1
        STREAMS.set(self.streams.open)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.streams.open -= 1
            STREAMS.set(self.streams.open)
