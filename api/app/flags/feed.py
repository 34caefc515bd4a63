"""Keeps the snapshot of flags up to date: a connection of its own LISTENs; a slow poll finds what a lost notification did not tell.

Who waits for changes (open event streams, a page that knows of a newer version) waits on the feed; nothing is queued for anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

import asyncpg
import structlog

from app.database import address
from app.flags.keep import keep
from app.flags.metrics import SNAPSHOT_STALE, SNAPSHOT_VERSION
from app.flags.provider import SnapshotProvider
from app.flags.snapshot import Snapshot, usable

CHANNEL = "slipway_flags"
POLL_S = 2.0
ANSWER_S = 2.0  # to connect, and for each statement
AGAIN_S_MIN, AGAIN_S_MAX = 0.1, 2.0
# One statement, so one moment: version and flags belong together.
LOAD = """
SELECT (SELECT coalesce(max(seq), 0) FROM flag_changes) AS version,
       (SELECT coalesce(json_object_agg(key, definition ORDER BY key), '{}') FROM flags) AS flags
"""

log = structlog.get_logger()


class Feed:
    def __init__(self, database_url: str, provider: SnapshotProvider) -> None:
        self.address = address(database_url)
        self.provider = provider
        self.tried = asyncio.Event()  # the database has answered once, or has not
        self._changed = asyncio.Event()
        self._text = ""

    async def run(self) -> None:
        """Until cancelled."""
        again_s = AGAIN_S_MIN
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    connection = await asyncpg.connect(
                        self.address,
                        command_timeout=ANSWER_S,
                        server_settings={"application_name": "slipway-flags"},
                    )
                try:
                    await self._follow(connection)
                finally:
                    connection.terminate()
            except Exception as error:  # whatever it was: without us nobody would hear of a kill
                again_s = AGAIN_S_MIN if not self.provider.stale else min(2 * again_s, AGAIN_S_MAX)
                self._lost(error)
            self.tried.set()
            await asyncio.sleep(again_s * random.uniform(0.5, 1))

    async def _follow(self, connection: asyncpg.Connection[Any]) -> None:
        """Raises what ends a connection. A notification that comes while we load is not lost: we load again."""
        told = asyncio.Event()
        await connection.add_listener(CHANNEL, lambda *_: told.set())
        connection.add_termination_listener(lambda _: told.set())
        while True:
            told.clear()
            await self._loaded(*(await connection.fetchrow(LOAD)))
            self.tried.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await told.wait()

    async def _loaded(self, version: int, text: str) -> None:
        was = self.provider.snapshot
        if not self.provider.stale and (version, text) == (was.version, self._text):
            return
        said = json.loads(text)
        now = usable(version, said)
        for key in said.keys() - now.flags.keys():
            log.error("flag_unusable", flag=key)
        self._text = text
        self.provider.replace(now)
        self._changed, changed = asyncio.Event(), self._changed
        changed.set()
        SNAPSHOT_VERSION.set(now.version)
        SNAPSHOT_STALE.set(0)
        log.info("flags_loaded", version=now.version, changed=now.changed_since(was))
        await asyncio.to_thread(keep, self.provider.file, now)

    def _lost(self, error: Exception) -> None:
        SNAPSHOT_STALE.set(1)
        if not self.provider.stale:
            log.warning("flags_stale", version=self.provider.snapshot.version, cause=repr(error)[:300])
        self.provider.lose_touch(repr(error)[:300])

    async def change(self, etag: str, at_most_s: float) -> Snapshot:
        """The snapshot, once it is another than the one with this etag, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                while self.provider.snapshot.etag == etag:
                    await self._changed.wait()
        return self.provider.snapshot

    async def reach(self, version: int, at_most_s: float) -> Snapshot:
        """The snapshot, once it has this version, or the time is over. Another instance may have heard of a change before we did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                while self.provider.snapshot.version < version:
                    await self._changed.wait()
        return self.provider.snapshot
