"""All flags at one moment, and what they give whom. Immutable, in memory; evaluation is arithmetic, in microseconds."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore

from app.flags import definitions
from app.flags.definitions import Definition

FORM = 1
# A percentage of users asked for somebody without an id is no error: they get the default variant.
logging.getLogger("openfeature.contrib").setLevel(logging.CRITICAL)


class Snapshot:
    """`version` goes up with each change; flags that were changed by hand, past the API, change `etag` alone."""

    def __init__(self, version: int, flags: Mapping[str, Definition]) -> None:
        self.version, self.flags = version, flags
        self.core = FlagdCore()
        self.core.set_flags(definitions.as_file(flags))

    @cached_property
    def etag(self) -> str:
        digest = hashlib.sha256(json.dumps(self.flags, sort_keys=True).encode()).hexdigest()[:16]
        return f'"{self.version}-{digest}"'

    def changed_since(self, earlier: Snapshot) -> list[str]:
        keys = self.flags.keys() | earlier.flags.keys()
        return sorted(key for key in keys if self.flags.get(key) != earlier.flags.get(key))

    def encoded(self) -> bytes:
        return json.dumps({"form": FORM, "version": self.version, **definitions.as_file(self.flags)}).encode()


EMPTY = Snapshot(0, {})


def decoded(raw: bytes) -> Snapshot:
    """Raises ValueError for anything that `encoded` did not write."""
    try:
        said = json.loads(raw)
        if said["form"] != FORM:
            raise ValueError(f"form {said['form']!r}")
        return usable(said["version"], said["flags"])
    except (AttributeError, KeyError, TypeError, RecursionError) as fault:
        raise ValueError(f"no snapshot of flags: {fault!r}") from fault


def usable(version: int, flags: Mapping[str, Any]) -> Snapshot:
    """Without those that are broken, however they came into the table: one bad flag must not take the others along."""
    return Snapshot(int(version), {key: flag for key, flag in flags.items() if not definitions.faults(key, flag)})


def version_of(etag: str) -> int:
    """0 for an etag that is none of ours."""
    number = etag.strip('W/"').partition("-")[0]
    return int(number) if number.isdecimal() and len(number) < 19 else 0
