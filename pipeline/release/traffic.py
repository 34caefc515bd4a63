"""A split of traffic as Envoy's configuration, and read back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """A release that runs: one port on loopback per instance."""

    digest: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Who answers new requests. `weight_pct` is the canary's share; the rest goes to the baseline."""

    baseline: str
    canary: str | None = None
    weight_pct: int = 0
