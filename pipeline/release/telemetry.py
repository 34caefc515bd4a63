"""Counters of two looks at the edge -> one sample per lane and indicator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Counters:
    """One release's monotone counters at the edge (and one gauge, `active`), since that edge started."""

    completed: int  # answers to users, of any status
    failed: int  # 5xx, timeouts and resets among them; an attempt that was retried elsewhere counts, too
    timed: int  # answers whose time the edge knows
    slow: int  # those at or over the policy's slow_ms, and timeouts
    active: int  # sent and not yet answered


@dataclass(frozen=True)
class Look:
    """What the edge said at one moment of the monotonic clock, per release digest."""

    at_s: float
    releases: Mapping[str, Counters]


@dataclass(frozen=True)
class Tally:
    """One lane, one indicator, one window."""

    requests: int
    bad: int


@dataclass(frozen=True)
class Lanes:
    canary: Tally
    baseline: Tally


@dataclass(frozen=True)
class Sample:
    """Counts of both lanes over the same window."""

    from_s: float
    to_s: float
    failures: Lanes
    slow: Lanes
    canary_active: int
