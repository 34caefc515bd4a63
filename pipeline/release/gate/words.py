"""The reasons of a verdict, for people, with the numbers that led to it."""

from __future__ import annotations

from release.telemetry import Lanes, Sample, Tally


def odds(to_one: float) -> str:
    if to_one >= 1e6:
        return "over a million to 1"
    return f"{to_one:.0f} to 1" if to_one >= 10 else f"{to_one:.1f} to 1"


def both_lanes(name: str, lanes: Lanes) -> str:
    canary, baseline = lanes.canary, lanes.baseline
    return f"{name}: {canary.bad} of {canary.requests} canary requests bad, baseline {baseline.bad} of {baseline.requests}"


def one_lane(name: str, tally: Tally, limit: float) -> str:
    return f"{name}: {tally.bad} of {tally.requests} requests bad at 100 %, limit {100 * limit:.3g} %"


def ill(name: str, baseline: Tally) -> str:
    return f"{name}: the baseline itself is beyond its SLO ({baseline.bad} of {baseline.requests} bad in this block), which proves nothing"


def stalled(active: int, seconds: float) -> str:
    return f"hang: the canary has {active} requests in flight and has answered none for {seconds:.1f} s"


def too_few(block: Sample, *, compares: bool) -> str:
    canary, baseline = block.failures.canary.requests, block.failures.baseline.requests
    seconds = f"in the last {block.to_s - block.from_s:.1f} s"
    if not canary:
        return f"no canary requests {seconds}"
    if compares and not baseline:
        return f"no baseline requests {seconds}"
    return f"only {canary} canary and {baseline} baseline requests {seconds}: too few to judge"
