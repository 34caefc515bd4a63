"""How fast a backfill may go: by what the store's own users see. Pure.

More when they are well, half of it and a longer pause when they are not: additive increase, multiplicative decrease, as in congestion
control (Chiu and Jain, 1989), so it finds the rate that the machine has to spare, and keeps looking for it.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW_S = 0.1  # a bucket of the store's histogram, and less than half of the SLO's: we slow down before users would notice
SLOW_SHARE_MAX = 0.05  # that is: p95 <= SLOW_S
ANSWERS_LEAST = 20  # fewer say nothing
BATCH_MIN, BATCH_STEP, BATCH_MAX = 100, 200, 2000
PAUSE_MIN_S, PAUSE_MAX_S = 0.01, 2.0


@dataclass(frozen=True)
class Answers:
    """Of the store, since it started: all, and those that took longer than SLOW_S."""

    total: float
    slow: float


@dataclass(frozen=True)
class Pace:
    """Rows per transaction, and how long to leave the database alone after each."""

    batch: int = 500
    pause_s: float = 0.05

    def faster(self) -> Pace:
        return Pace(min(self.batch + BATCH_STEP, BATCH_MAX), max(self.pause_s / 2, PAUSE_MIN_S))

    def slower(self) -> Pace:
        return Pace(max(self.batch // 2, BATCH_MIN), min(max(self.pause_s, PAUSE_MIN_S) * 4, PAUSE_MAX_S))

    def stopped(self) -> Pace:
        return Pace(BATCH_MIN, PAUSE_MAX_S)


def users_wait(before: Answers, now: Answers) -> bool | None:
    """Is the p95 of what came between two looks beyond SLOW_S? None: too little to say."""
    total = now.total - before.total
    return None if total < ANSWERS_LEAST else (now.slow - before.slow) / total > SLOW_SHARE_MAX
