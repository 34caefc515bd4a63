"""A backfill of a million orders beside a drill's users: how fast, and what users feel of it.

A store of two instances under a drill's traffic. Orders of before, a quarter of them without a coupon and some with one that is no code, are put into its table; then
`release backfill` runs as it ships. Users are measured for a while before it and all the time beside it, from the moment each request was due.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.result import Result, Row
from bench.store import done, store
from drill import samples
from drill.samples import Response
from drill.scenario import Load
from drill.traffic import Traffic
from release.environment import Environment
from release.home import Home

ORDERS, QUICK_ORDERS = 1_000_000, 50_000
AT_ONCE = 50_000
BEFORE_S, QUICK_BEFORE_S = 20.0, 5.0
SLO_MS = 250
FILL = """
INSERT INTO orders (client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)
SELECT 'old' || n, 'k', 'h', 'DE', (ARRAY['WELCOME10', ' welcome10 ', 'ThreeForTwo', NULL, 'GRANDMA', NULL, 'welcome10', 'THREEFORTWO'])[1 + n % 8], 'EUR', 0, 1290, 245
FROM generate_series({first}, {last}) AS n
"""


def run(home: Home, quick: bool, say: Callable[[str], None]) -> Result:
    orders, before_s = (QUICK_ORDERS, QUICK_BEFORE_S) if quick else (ORDERS, BEFORE_S)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder, store(home, Path(folder), say) as (engine, address):
        psql = Environment(home, engine.env).database.psql
        say(f"put {orders:,} orders into the table")
        for first in range(1, orders, AT_ONCE):
            psql(FILL.format(first=first, last=first + AT_ONCE - 1))
        load, file = Load(rate_per_s=120, max_s=3600), Path(folder) / "samples.jsonl"
        traffic = Traffic.start(address, load, file, Path(folder) / "load.log")
        try:
            say(f"users alone for {before_s:g} s")
            time.sleep(before_s)
            say("backfill")
            began_s = time.monotonic()
            said = done(engine.backfill())
            ended_s = time.monotonic()
        finally:
            traffic.stop()
        return result(samples.read(file), began_s, ended_s, said, load)


def result(responses: list[Response], began_s: float, ended_s: float, said: dict[str, object], load: Load) -> Result:
    """Pure."""
    alone = [one.latency_ms for one in responses if one.done_s < began_s]
    beside = [one for one in responses if began_s <= one.done_s <= ended_s]
    failed, slow = sum(one.failed for one in beside), sum(one.latency_ms >= SLO_MS for one in beside)
    rows = (
        Row(f"users' answers, {load.rate_per_s:g} requests/s, alone", alone),
        Row("… beside the backfill", [one.latency_ms for one in beside], f"p95 below {SLO_MS}"),
    )
    notes = (
        f"{said['orders']:,} orders in {said['took_s']} s: {said['orders_per_s']:,} orders/s; {said['filled']:,} filled in, {said['unknown']:,} coupons are no code; it gave way {said['gave_way']} times.",
        f"Beside it {failed} of {len(beside):,} requests failed, {slow} took {SLO_MS} ms or more.",
    )
    return Result("ms", rows, notes)
