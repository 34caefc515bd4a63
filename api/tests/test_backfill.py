"""The backfill on a real PostgreSQL: all orders, once, whatever ends it, and users first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.backfill import job
from app.backfill.pace import BATCH_MAX, BATCH_MIN, PAUSE_MAX_S, Answers, Pace, users_wait
from app.backfill.watch import answers

API = Path(__file__).parents[1]
FILL = """
INSERT INTO orders (client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)
SELECT 'u' || n, 'k', 'h', 'DE', (ARRAY['WELCOME10', 'welcome10 ', 'ThreeForTwo', 'GRANDMA', NULL])[1 + n % 5], 'EUR', 0, 1, 0
FROM generate_series(1, {count}) AS n
"""
CODES = "SELECT coupon, discount_code, count(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2"
ALL_OF_500 = "GRANDMA||100\nThreeForTwo|THREEFORTWO|100\nWELCOME10|WELCOME10|100\nwelcome10 |WELCOME10|100\n||100"


def command(database: Any, *words: str, **popen: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "SLIPWAY_DATABASE_URL": database.url}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    argv = [sys.executable, "-m", "app.backfill", *words]
    return subprocess.Popen(argv, cwd=API, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)


def backfill(database: Any, *words: str) -> dict[str, Any]:
    process = command(database, *words, "--json")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return dict(json.loads(out))


def run(database: Any, **asked: Any) -> job.Progress:
    async def inside() -> job.Progress:
        connection = await job.connect(database.url)
        try:
            return await job.run(connection, **asked)
        finally:
            await connection.close()

    return asyncio.run(inside())


# How fast.


def test_it_speeds_up_while_users_are_well_and_gives_way_when_they_wait() -> None:
    quick = slow = Pace()
    for _ in range(20):
        quick, slow = quick.faster(), slow.slower()
    assert (quick.batch, slow.batch, slow.pause_s) == (BATCH_MAX, BATCH_MIN, PAUSE_MAX_S)
    assert quick.pause_s < Pace().pause_s
    assert slow.faster().pause_s < slow.pause_s


@pytest.mark.parametrize(
    ("now", "wait"), [(Answers(1000, 50), False), (Answers(1000, 51), True), (Answers(19, 19), None), (Answers(1000, 1000), True)]
)
def test_users_wait_when_more_than_one_in_twenty_is_slow(now: Answers, wait: bool | None) -> None:
    assert users_wait(Answers(0, 0), now) is wait


def test_only_answers_of_the_store_count() -> None:
    name = "http_request_duration_seconds"
    lines = [f"# TYPE {name} histogram"]
    for route, quick, total in (("/api/orders", 90, 100), ("/metrics", 1, 50)):
        label = f'method="GET",route="{route}"'
        lines += [
            f'{name}_bucket{{{label},le="0.1"}} {quick}',
            f'{name}_bucket{{{label},le="+Inf"}} {total}',
            f"{name}_count{{{label}}} {total}",
        ]
    assert answers(["\n".join(lines) + "\n"] * 2) == Answers(200, 20)


@pytest.mark.real
def test_it_gives_way_to_users_and_to_a_store_that_says_nothing(database: Any) -> None:
    database.sql(FILL.format(count=500))
    looks: Iterator[Answers | None] = iter([Answers(0, 0), Answers(1, 0), Answers(1000, 900), None])

    async def look() -> Answers | None:
        return next(looks, None)

    paces: list[Pace] = []
    pacer = job.Pacer(look)

    async def looks_at() -> None:
        for _ in range(4):
            pacer._looked_s = float("-inf")
            pacer.pace = Pace(pacer.pace.batch, 0.0)
            await pacer.give_way()
            paces.append(pacer.pace)

    job.asyncio.sleep, sleep = _at_once, job.asyncio.sleep  # type: ignore[assignment]
    try:
        asyncio.run(looks_at())
    finally:
        job.asyncio.sleep = sleep  # type: ignore[assignment]
    assert paces[0].batch == Pace().batch
    assert paces[1].batch > Pace().batch, "hardly anybody is there"
    assert paces[2].batch == paces[1].batch // 2
    assert paces[3] == Pace(BATCH_MIN, PAUSE_MAX_S)


async def _at_once(seconds: float) -> None:
    """Nobody waits in this test."""


# What it does.


@pytest.mark.real
def test_every_order_gets_what_its_coupon_meant_and_the_rest_is_listed(database: Any) -> None:
    database.sql(FILL.format(count=500))
    dry = backfill(database, "--dry-run")
    assert (dry["orders"], dry["filled"], dry["unknown"]) == (500, 300, 100)
    assert database.sql("SELECT count(discount_code) FROM orders") == "0"
    assert database.sql("SELECT started_at IS NULL FROM backfills") == "t"

    said = backfill(database)
    assert (said["orders"], said["filled"], said["unknown"], said["resumed"]) == (500, 300, 100, False)
    [grandma] = said["unknown_coupons"]
    assert (grandma["coupon"], grandma["orders"]) == ("GRANDMA", 100)
    assert database.sql(f"SELECT coupon FROM orders WHERE id = '{grandma['one']}'") == "GRANDMA"
    assert database.sql(CODES) == ALL_OF_500
    assert database.sql("SELECT seen, filled, finished_at > started_at FROM backfills") == "500|300|t"

    again = backfill(database)  # nothing is done twice
    assert (again["filled"], again["unknown"], database.sql(CODES)) == (0, 100, ALL_OF_500)


@pytest.mark.real
def test_a_code_that_is_added_later_is_found_by_the_next_run(database: Any) -> None:
    database.sql(FILL.format(count=500))
    backfill(database)
    database.sql("INSERT INTO discount_codes (code, percent_off) VALUES ('GRANDMA', 50)")
    said = backfill(database)
    assert (said["filled"], said["unknown"]) == (100, 0)
    assert database.sql("SELECT count(*) FROM unknown_coupons") == "0"


@pytest.mark.real
def test_killed_anywhere_it_goes_on_where_it_was(database: Any) -> None:
    """By SIGKILL, in the middle of its work, several times."""
    database.sql(FILL.format(count=40_000))
    for _ in range(3):
        seen = int(database.sql("SELECT seen FROM backfills"))
        process = command(database, start_new_session=True)
        end_s = time.monotonic() + 30
        while int(database.sql("SELECT seen FROM backfills")) <= seen and time.monotonic() < end_s and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, "it was too quick to be killed: more rows"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        assert database.sql("SELECT finished_at IS NULL FROM backfills") == "t"
        walked = database.sql("SELECT count(discount_code) + (SELECT count(*) FROM unknown_coupons) FROM orders")
        assert int(walked) == int(database.sql("SELECT count(*) FROM orders, backfills WHERE id <= after_id AND coupon IS NOT NULL"))
    said = backfill(database)
    assert said["resumed"]
    assert (said["filled"], said["unknown"]) == (24_000, 8_000)
    assert database.sql("SELECT seen FROM backfills") == "40000"


@pytest.mark.real
def test_ctrl_c_says_that_nothing_is_lost(database: Any) -> None:
    database.sql(FILL.format(count=5000))
    process = command(database, "--watch", "127.0.0.1:9")  # nobody answers there: it goes as slowly as can be
    end_s = time.monotonic() + 30
    while database.sql("SELECT seen FROM backfills") == "0" and time.monotonic() < end_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, "goes on where it was" in err, "Traceback" in err) == (130, True, False)


@pytest.mark.real
def test_what_somebody_holds_is_passed_over_and_visited_again(database: Any) -> None:
    """Nobody waits for anybody: a user's transaction holds a row for as long as the first walk takes."""
    database.sql(FILL.format(count=2000))
    walked = 0

    async def inside() -> tuple[job.Progress, str]:
        user, connection = await job.connect(database.url), await job.connect(database.url)
        held = user.transaction()
        await held.start()
        one = await user.fetchval("SELECT id FROM orders WHERE coupon = 'WELCOME10' ORDER BY id LIMIT 1 FOR UPDATE")

        def tell(progress: job.Progress) -> None:
            nonlocal walked
            walked += 1

        async def let_go() -> None:
            while walked < 2:
                await asyncio.sleep(0.01)
            await held.rollback()

        freed = asyncio.create_task(let_go())
        progress = await job.run(connection, tell=tell)
        await freed
        code = await user.fetchval("SELECT discount_code FROM orders WHERE id = $1", one)
        for each in (user, connection):
            await each.close()
        return progress, code

    progress, code = asyncio.run(inside())
    assert (code, progress.filled, progress.unknown) == ("WELCOME10", 1200, 400)


@pytest.mark.real
def test_orders_that_come_meanwhile_do_not_keep_it_from_its_end(database: Any) -> None:
    """The last id is fixed at the start."""
    database.sql(FILL.format(count=1000))
    came = 0

    def tell(progress: job.Progress) -> None:
        nonlocal came
        came += 1
        database.sql(FILL.format(count=50).replace("'k'", f"'more{came}'"))

    progress = run(database, tell=tell)
    assert progress.filled >= 600
    assert database.sql("SELECT finished_at IS NOT NULL FROM backfills") == "t"


@pytest.mark.real
def test_one_at_a_time(database: Any) -> None:
    async def inside() -> None:
        one, other = await job.connect(database.url), await job.connect(database.url)
        await one.fetchval("SELECT pg_advisory_lock($1)", job.LOCK)
        with pytest.raises(job.Refused, match="Another backfill"):
            await job.run(other)
        for each in (one, other):
            await each.close()

    asyncio.run(inside())


@pytest.mark.real
def test_a_schema_without_codes_and_a_missing_database_are_plain_lines(empty_database: Any) -> None:
    process = command(empty_database)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (75, 1)
    assert "deploy the release" in err
    away = empty_database._replace(url="postgresql+asyncpg://nobody@127.0.0.1:9/none")
    process = command(away)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n"), "Traceback" in err) == (69, 1, False)
