"""Who does what, when: an endless, seeded list of arrivals at constant distance. The same seed gives the same history."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from drill.load.users import user_id

MIX_PCT = {"list": 45, "product": 20, "quote": 20, "order": 10, "order_get": 5}
CONCURRENCY = 400  # requests in flight; at 120/s that is every answer later than three seconds
KIND = "constant arrivals, open loop"


class Arrival(NamedTuple):
    at_s: float  # since the start
    user: str
    op: str
    dice: float  # 0..1, for the choices within the operation (which product, how many)
    key: str  # idempotency key, used by orders


@dataclass(frozen=True)
class Plan:
    rate_per_s: float
    users: int
    seed: int

    def arrivals(self) -> Iterator[Arrival]:
        """Arrival i comes at i / rate, exactly: the gate's evidence should depend on the release, not on bursts of ours."""
        dice = random.Random(self.seed)
        ops, weights = list(MIX_PCT), list(MIX_PCT.values())
        number = 0
        while True:
            user = user_id(dice.randint(1, self.users))
            op = dice.choices(ops, weights)[0]
            yield Arrival(number / self.rate_per_s, user, op, dice.random(), str(uuid.UUID(int=dice.getrandbits(128), version=4)))
            number += 1
