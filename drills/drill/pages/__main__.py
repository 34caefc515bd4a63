"""The load process of `client: pages`: sends shoppers until SIGTERM, the end of its leash, or its bound.

python -m drill.pages --address http://127.0.0.1:8080 --samples samples.jsonl --rate 5 --users 2000 --seed 1 --for 60
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from drill.load.schedule import Plan
from drill.pages.modules import modules
from drill.pages.traffic import Traffic
from release.home import Home


@click.command()
@click.option("--address", required=True, help="The edge, http://127.0.0.1:PORT.")
@click.option("--samples", type=click.Path(path_type=Path), required=True, help="Where to write the responses; load.json comes beside it.")
@click.option("--rate", "rate_per_s", type=float, required=True, help="Shoppers per second.")
@click.option("--users", type=int, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--for", "max_s", type=float, required=True)
@click.option("--leash", is_flag=True, help="End with stdin.")
def main(address: str, samples: Path, rate_per_s: float, users: int, seed: int, max_s: float, leash: bool) -> None:
    found = modules(Home.find())
    asyncio.run(_run(Traffic(address, found, Plan(rate_per_s, users, seed), samples, max_s), leash=leash))


async def _run(traffic: Traffic, *, leash: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, traffic.stop)
    if leash:
        loop.add_reader(sys.stdin.fileno(), _heard, traffic)
    await traffic.run()


def _heard(traffic: Traffic) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        traffic.stop()


main()
