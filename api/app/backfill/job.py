"""The backfill: keyset batches, a transaction each, so that it can be ended anywhere and goes on from there.

Orders are walked by id, from the first to the last that was there at the start; newer ones are written with their code. Rows that
somebody holds are passed over and visited again in the next walk. Where it is stands in the table `backfills`, in the same transaction
as what was filled in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from app.backfill.pace import Answers, Pace, users_wait
from app.database import address
from app.pricing import code_of

NAME = "discount-code"
LOCK = 0x51195A8  # any number, as long as every backfill uses the same
WALKS_MAX = 5
LOOK_EVERY_S = 0.5
SHOWN_MAX = 10
FIRST = UUID(int=0)

Connection: TypeAlias = "asyncpg.Connection[Any]"
Look = Callable[[], Awaitable[Answers | None]]


class Refused(Exception):
    """It can't run now; says why and what to do."""


@dataclass
class Progress:
    """Rows: `total` to walk, `seen` so far in this walk; `filled` in, `unknown` coupons that are no code, in all walks of this backfill."""

    total: int = 0
    seen: int = 0
    filled: int = 0
    unknown: int = 0
    resumed: bool = False
    slowed: int = 0  # how often it gave way to users
    walk: int = 1
    started_s: float = field(default_factory=time.monotonic)
    here: int = 0  # rows walked by this process

    def row(self, after: UUID) -> tuple[str, UUID, int, int]:
        return NAME, after, self.seen, self.filled

    @property
    def per_s(self) -> float:
        return self.here / max(time.monotonic() - self.started_s, 0.001)


async def connect(url: str) -> Connection:
    """Its longest statement counts a large table."""
    settings = {"application_name": "slipway-backfill", "statement_timeout": "5min", "lock_timeout": "2s"}
    return await asyncpg.connect(address(url), timeout=10, server_settings=settings)


async def run(
    connection: Connection, look: Look | None = None, tell: Callable[[Progress], None] = lambda _: None, *, dry: bool = False
) -> Progress:
    """Until nothing is left, or it is ended; then run it again. `dry` counts and writes nothing. Raises Refused."""
    if not await connection.fetchval("SELECT to_regclass('backfills') IS NOT NULL"):
        raise Refused("The schema has no discount codes yet: deploy the release that brings them first.")
    if not dry and not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        raise Refused("Another backfill is at it.")
    last = await connection.fetchval("SELECT id FROM orders ORDER BY id DESC LIMIT 1") or FIRST
    after, upper, progress = (FIRST, last, Progress()) if dry else await _begin(connection, last)
    progress.total = await connection.fetchval("SELECT count(*) FROM orders WHERE id <= $1", upper)
    pacer = Pacer(look)
    for progress.walk in range(1, WALKS_MAX + 1):
        held = await _walk(connection, after, upper, progress, pacer, tell, dry=dry)
        perhaps_more = progress.resumed and progress.walk == 1  # what the one before us passed over, nobody knows
        if dry or not (held or perhaps_more):
            break
        after, progress.seen = FIRST, 0
    else:
        raise Refused(f"After {WALKS_MAX} walks {held} orders are still held by somebody; run it again later.")
    if not dry:
        await connection.execute("UPDATE backfills SET finished_at = now() WHERE name = $1", NAME)
        await connection.fetchval("SELECT pg_advisory_unlock($1)", LOCK)
    return progress


async def _begin(connection: Connection, last: UUID) -> tuple[UUID, UUID, Progress]:
    """Where an ended one stopped; or, where none was begun or the last one finished, anew."""
    row = await connection.fetchrow("SELECT * FROM backfills WHERE name = $1", NAME)
    if row is None:
        raise Refused(f"There is no backfill {NAME} in the table `backfills`.")
    if row["upper_id"] is not None and row["finished_at"] is None:
        unknown = await connection.fetchval("SELECT count(*) FROM unknown_coupons")
        return row["after_id"] or FIRST, row["upper_id"], Progress(seen=row["seen"], filled=row["filled"], unknown=unknown, resumed=True)
    async with connection.transaction():
        await connection.execute("TRUNCATE unknown_coupons")
        begin = "UPDATE backfills SET upper_id = $2, after_id = NULL, seen = 0, filled = 0, started_at = now(), finished_at = NULL WHERE name = $1"
        await connection.execute(begin, NAME, last)
    return FIRST, last, Progress()


async def _walk(
    connection: Connection, after: UUID, upper: UUID, progress: Progress, pacer: Pacer, tell: Callable[[Progress], None], *, dry: bool
) -> int:
    """How many rows somebody held."""
    held = 0
    while after < upper:
        batch = await _next(connection, after, upper, pacer.pace.batch)
        after = batch.last
        async with connection.transaction():
            held += await _fill(connection, batch, progress, dry=dry)
            if not dry:
                await connection.execute("UPDATE backfills SET after_id = $2, seen = $3, filled = $4 WHERE name = $1", *progress.row(after))
        progress.slowed += await pacer.give_way()
        tell(progress)
    return held


@dataclass(frozen=True)
class Batch:
    rows: int
    last: UUID
    todo: Sequence[UUID]


async def _next(connection: Connection, after: UUID, upper: UUID, size: int) -> Batch:
    """The next rows by id, and which of them are to be filled in. An id alone does not say how many those are."""
    of_each = "SELECT id, coupon IS NOT NULL AND discount_code IS NULL AS todo FROM orders"
    found = await connection.fetch(f"{of_each} WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3", after, upper, size)
    last = found[-1]["id"] if len(found) == size else upper
    return Batch(len(found), last, [row["id"] for row in found if row["todo"]])


async def _fill(connection: Connection, batch: Batch, progress: Progress, *, dry: bool) -> int:
    """How many rows somebody held."""
    codes = {row["code"] for row in await connection.fetch("SELECT code FROM discount_codes")}
    wanted = "SELECT id, coupon FROM orders WHERE id = ANY($1) AND discount_code IS NULL"
    rows = await connection.fetch(wanted if dry else f"{wanted} FOR NO KEY UPDATE SKIP LOCKED", batch.todo)
    meant = [(row["id"], row["coupon"], code_of(row["coupon"])) for row in rows]
    known = [(one, code) for one, _, code in meant if code in codes]
    unknown = [(one, coupon) for one, coupon, code in meant if code not in codes]
    progress.unknown += len(unknown) if dry else await _write(connection, known, unknown)
    progress.filled += len(known)
    progress.seen += batch.rows
    progress.here += batch.rows
    return len(batch.todo) - len(rows)


async def _write(connection: Connection, known: Sequence[tuple[UUID, str]], unknown: Sequence[tuple[UUID, str]]) -> int:
    """How many of the unknown were not known to be so."""
    if known:
        fill = "UPDATE orders SET discount_code = new.code FROM unnest($1::uuid[], $2::text[]) AS new (id, code) WHERE orders.id = new.id"
        await connection.execute(fill, [one for one, _ in known], [code for _, code in known])
    if not unknown:
        return 0
    note = "INSERT INTO unknown_coupons SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT (order_id) DO NOTHING"
    said = await connection.execute(note, [one for one, _ in unknown], [coupon for _, coupon in unknown])
    return int(said.rpartition(" ")[2])


async def unknown_coupons(connection: Connection) -> list[dict[str, Any]]:
    """The most frequent ones: the text, how many orders have it, and one of those."""
    most = "SELECT coupon, count(*) AS orders, min(order_id::text) AS one FROM unknown_coupons GROUP BY coupon ORDER BY 2 DESC, 1 LIMIT $1"
    return [dict(row) for row in await connection.fetch(most, SHOWN_MAX)]


class Pacer:
    """Waits after each batch, longer where users wait."""

    def __init__(self, look: Look | None) -> None:
        self.look, self.pace = look, Pace()
        self._before: Answers | None = None
        self._looked_s = float("-inf")

    async def give_way(self) -> int:
        """1 where users were found to wait."""
        slowed = 0
        if self.look and time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            slowed = int(self._adapt(await self.look()))
            self._looked_s = time.monotonic()
        await asyncio.sleep(self.pace.pause_s)
        return slowed

    def _adapt(self, now: Answers | None) -> bool:
        """A store that says nothing may be one that suffers: then as slowly as can be."""
        before, self._before = self._before, now
        if now is None:
            self.pace = self.pace.stopped()
            return True
        waits = None if before is None else users_wait(before, now)
        if waits is None:
            if before and now.slow == before.slow:  # hardly anybody is there, and nobody of them waits
                self.pace = self.pace.faster()
            self._before = before or now  # gather more
            return False
        self.pace = self.pace.slower() if waits else self.pace.faster()
        return waits
