"""Is every order that the store promised to keep there, once? The client's list against the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drill.samples import Response

SQL = "SELECT client_id, idempotency_key, id FROM orders"


@dataclass(frozen=True)
class Stored:
    """One row of the table."""

    user: str
    key: str
    order: str


@dataclass(frozen=True)
class OrderCheck:
    acknowledged: int  # 201, or 200 for a repeated key
    stored: int
    lost: tuple[str, ...]  # keys that were acknowledged and are not there, or are there under another id
    doubled: tuple[str, ...]  # keys that are there more than once
    in_doubt: int  # orders without an answer, or with a 5xx: they may or may not exist

    @property
    def held(self) -> bool:
        return not self.lost and not self.doubled


def stored(rows: Iterable[Mapping[str, str]]) -> list[Stored]:
    """What SQL answers."""
    return [Stored(row["client_id"], row["idempotency_key"], row["id"]) for row in rows]


def compare(responses: Iterable[Response], table: Sequence[Stored]) -> OrderCheck:
    asked = [response for response in responses if response.key is not None]
    promised = [response for response in asked if response.acknowledged]
    there = {(row.user, row.key, row.order) for row in table}
    copies = Counter((row.user, row.key) for row in table)
    return OrderCheck(
        acknowledged=len(promised),
        stored=len(table),
        lost=tuple(str(response.key) for response in promised if (response.user, response.key, response.order) not in there),
        doubled=tuple(key for (_, key), count in copies.items() if count > 1),
        in_doubt=sum(response.failed for response in asked),
    )
