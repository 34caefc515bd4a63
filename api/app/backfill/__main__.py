"""`python -m app.backfill`: orders get the discount code that their coupon meant, on the database that SLIPWAY_DATABASE_URL names."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import asyncpg

from app.backfill import job, watch
from app.backfill.job import Progress

EXIT_AWAY, EXIT_NOT_NOW, EXIT_CONFIG, EXIT_INTERRUPTED = 69, 75, 78, 130  # of sysexits.h, and of shells
LINE_EVERY_S, BAR_EVERY_S = 5.0, 0.2
BAR = 30
EXAMPLES = """examples:
  python -m app.backfill --dry-run
  python -m app.backfill --watch 127.0.0.1:8000 --json
It may be ended at any time; run again, it goes on where it was.
"""


def main(words: Sequence[str] | None = None) -> int:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m app.backfill", description=__doc__, epilog=EXAMPLES, formatter_class=plain)
    parser.add_argument("--watch", action="append", default=[], metavar="HOST:PORT", help="an instance whose users must not wait")
    parser.add_argument("--dry-run", action="store_true", help="count, and write nothing")
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(words)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs us in the background has it ignored
    url = os.environ.get("SLIPWAY_DATABASE_URL")
    if not url:
        return _failed("SLIPWAY_DATABASE_URL is missing: postgresql+asyncpg://user@host:5432/name", EXIT_CONFIG)
    try:
        said = asyncio.run(_run(url, asked.watch, dry=asked.dry_run))
    except job.Refused as problem:
        return _failed(str(problem), EXIT_NOT_NOW)
    except KeyboardInterrupt:
        return _failed("Ended; run again, it goes on where it was.", EXIT_INTERRUPTED)
    except (OSError, asyncpg.PostgresError) as problem:
        return _failed(f"The database: {problem}. Run it again when it answers: it goes on where it was.", EXIT_AWAY)
    print(json.dumps(said) if asked.json else text(said))
    return 0


async def _run(url: str, watched: Sequence[str], *, dry: bool) -> dict[str, Any]:
    connection = await job.connect(url)
    try:
        done = await job.run(connection, partial(watch.look, watched) if watched else None, teller(), dry=dry)
        unknown = [] if dry else await job.unknown_coupons(connection)
    finally:
        connection.terminate()
    took_s = time.monotonic() - done.started_s
    return {
        "dry_run": dry, "resumed": done.resumed, "orders": done.total, "filled": done.filled, "unknown": done.unknown,
        "unknown_coupons": unknown, "gave_way": done.slowed, "took_s": round(took_s, 2), "orders_per_s": round(done.per_s),
    }  # fmt: skip


def text(said: dict[str, Any]) -> str:
    verb = "would get" if said["dry_run"] else "got"
    lines = [
        f"{said['filled']:,} of {said['orders']:,} orders {verb} a discount code, in {said['took_s']:g} s ({said['orders_per_s']:,} orders/s).",
        f"{said['unknown']:,} have a coupon that is no code{'' if said['dry_run'] else ': they stand in the table unknown_coupons'}.",
    ]
    lines += [f"  {one['orders']:>8,} × {one['coupon']!r}, order {one['one']} for one" for one in said["unknown_coupons"]]
    return "\n".join(lines)


def teller() -> Callable[[Progress], None]:
    """A bar on a terminal, else a line now and then."""
    terminal = sys.stderr.isatty()
    next_s = time.monotonic() + (0 if terminal else LINE_EVERY_S)

    def tell(progress: Progress) -> None:
        nonlocal next_s
        if time.monotonic() < next_s:
            return
        next_s = time.monotonic() + (BAR_EVERY_S if terminal else LINE_EVERY_S)
        share = min(progress.seen / max(progress.total, 1), 1)
        bar = "━" * int(share * BAR)
        again = "" if progress.walk == 1 else "once more, for what somebody held: "
        line = f"{again}{bar:<{BAR}} {share:4.0%}  {progress.seen:,} of {progress.total:,}  {progress.per_s:,.0f} orders/s  gave way {progress.slowed} times"
        print(f"\r{line}\x1b[K" if terminal else line.strip(), end="" if terminal and share < 1 else "\n", file=sys.stderr, flush=True)

    return tell


def _failed(what: str, status: int) -> int:
    print(what, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
