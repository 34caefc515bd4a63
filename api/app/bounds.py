"""Bounds for what others decide how much of it there is."""

from __future__ import annotations


class Names:
    """The first few names that come, for a metric's label; all later ones are `other`."""

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most
        self.known: set[str] = set()

    def label(self, name: str) -> str:
        if len(self.known) < self.at_most:
            self.known.add(name)
        return name if name in self.known else "other"


class Allowance:
    """A token bucket: `at_once` pieces, refilled with `per_s`."""

    def __init__(self, at_once: int, per_s: float) -> None:
        self.at_once, self.per_s = at_once, per_s
        self.left = float(at_once)
        self.seen_s = 0.0

    def has_one(self, now_s: float) -> bool:
        """`now_s` is of a clock that never goes back."""
        self.left = min(self.at_once, self.left + (now_s - self.seen_s) * self.per_s)
        self.seen_s = now_s
        return self.left >= 1

    def take(self, now_s: float) -> bool:
        allowed = self.has_one(now_s)
        self.left -= allowed
        return allowed
