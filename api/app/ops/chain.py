"""The record of changes of flags, hash-chained in the form of the engine's ledger. Pure.

hash = SHA-256 over the entry's canonical JSON without `hash`; `prev` is the hash of the entry before. Changing, dropping or reordering an entry
breaks the chain there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

GENESIS = "0" * 64


def entry(
    last: Mapping[str, Any] | None,
    now: datetime,
    actor: str,
    action: str,
    reason: str,
    *,
    flag: str | None = None,
    old: Any = None,
    new: Any = None,
) -> dict[str, Any]:
    """The entry after `last`."""
    value = {
        "seq": last["seq"] + 1 if last else 1,
        "at": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor": actor,
        "action": action,
        "flag": flag,
        "reason": reason,
        "old": old,
        "new": new,
        "prev": last["hash"] if last else GENESIS,
    }
    return {**value, "hash": hash_of(value)}


def hash_of(value: Mapping[str, Any]) -> str:
    content = {key: part for key, part in value.items() if key != "hash"}
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    ).hexdigest()


def broken_at(entries: Iterable[Mapping[str, Any]], prev: str = GENESIS, seq: int = 1) -> int | None:
    """The number of the first entry, oldest first, that does not continue the chain."""
    for number, value in enumerate(entries, seq):
        if value["seq"] != number or value["prev"] != prev or value["hash"] != hash_of(value):
            return number
        prev = value["hash"]
    return None
