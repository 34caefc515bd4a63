"""User traffic for an environment that somebody else runs; a line every few seconds says how users fare."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from drill.engine import clean
from drill.live import Live, Now
from drill.scenario import Load
from drill.traffic import Traffic
from release.environment import Environment
from release.errors import UsageError
from release.home import Home

LINE_S = 5.0


def while_running(command: Sequence[str], home: Home, env: str, load: Load, console: Console) -> int:
    """Send traffic while `command` runs, and return its exit code. Ctrl-C reaches the command, too, and we wait for its end. Raises NotUp, UsageError."""
    address = Environment(home, env).edge.address()
    with tempfile.TemporaryDirectory(prefix="slipway-traffic-") as folder:
        traffic = Traffic.start(address, load, Path(folder) / "samples.jsonl", Path(folder) / "load.log")
        console.print(
            f"{load.rate_per_s:g} requests/s of demo traffic to {address} until `{command[0].rsplit('/')[-1]}` ends", markup=False
        )
        try:
            return _until_its_end(command)
        finally:
            traffic.stop()


def _until_its_end(command: Sequence[str]) -> int:
    try:
        process = subprocess.Popen(command, env=clean())
    except OSError as problem:
        raise UsageError(f"{command[0]} can't be run: {problem.strerror}") from problem
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it got the same Ctrl-C from the terminal and ends in order


def stream(home: Home, env: str, load: Load, console: Console) -> None:
    """Until `load.max_s`, or Ctrl-C. Raises NotUp."""
    address = Environment(home, env).edge.address()
    with tempfile.TemporaryDirectory(prefix="slipway-traffic-") as folder:
        samples = Path(folder) / "samples.jsonl"
        live = Live(home.env(env) / "ledger.jsonl", samples)
        live.poll()
        traffic = Traffic.start(address, load, samples, Path(folder) / "load.log")
        console.print(f"{load.rate_per_s:g} requests/s from {load.users:,} users to {address}; Ctrl-C ends it", markup=False)
        try:
            while traffic.process.poll() is None:
                _wait(traffic)
                live.poll()
                live.responses.clear()  # an hour of them would be a lot
                console.print(_line(live.now()), markup=False)
            if traffic.process.returncode:
                traffic.check()
        except KeyboardInterrupt:
            console.print("traffic ends")
        finally:
            traffic.stop()


def _wait(traffic: Traffic) -> None:
    try:
        traffic.process.wait(LINE_S)
    except subprocess.TimeoutExpired:
        return


def _line(now: Now) -> str:
    lane = now.lanes["baseline"]
    failing = "-" if lane.failed_share is None else f"{lane.failed_share:.1%}"
    p95 = "-" if lane.p95_ms is None else f"{lane.p95_ms:.0f} ms"
    return f"{time.strftime('%H:%M:%S')}  {lane.requests_per_s:6.1f} answers/s   {failing} failing   p95 {p95}   canary weight {now.weight_pct} %"
