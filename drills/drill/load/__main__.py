"""The load process: sends user traffic until SIGTERM, the end of its leash, or its bound, and writes down every response.

    python -m drill.load --address http://127.0.0.1:8080 --samples samples.jsonl --rate 120 --users 2000 --seed 1 --for 60

With --leash it also ends when its stdin is closed: whoever started it is gone then, even by kill -9.
"""

from __future__ import annotations

# isort: off
from gevent import monkey

monkey.patch_all()  # before anything that imports a socket
# isort: on

import signal  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import click  # noqa: E402
import gevent  # noqa: E402
import gevent.os  # noqa: E402

from drill.load.client import Client, Traffic  # noqa: E402
from drill.load.schedule import Plan  # noqa: E402


@click.command()
@click.option("--address", required=True, help="The edge, http://127.0.0.1:PORT.")
@click.option("--samples", type=click.Path(path_type=Path), required=True, help="Where to write the responses; load.json comes beside it.")
@click.option("--rate", "rate_per_s", type=float, required=True)
@click.option("--users", type=int, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--for", "max_s", type=float, required=True)
@click.option("--coupons", "coupons_pct", type=int, default=0, help="Percent of baskets with a coupon.")
@click.option("--leash", is_flag=True, help="End with stdin.")
def main(address: str, samples: Path, rate_per_s: float, users: int, seed: int, max_s: float, coupons_pct: int, leash: bool) -> None:
    traffic = Traffic(Client(address), Plan(rate_per_s, users, seed), samples, max_s, coupons_pct)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, traffic.stop)
    if leash:
        gevent.spawn(_until_stdin_ends, traffic)
    traffic.run()


def _until_stdin_ends(traffic: Traffic) -> None:
    gevent.os.make_nonblocking(sys.stdin.fileno())
    while gevent.os.nb_read(sys.stdin.fileno(), 4096):
        pass
    traffic.stop()


main()
