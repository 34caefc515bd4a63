"""Which variants a request used: as a header of its answer, also of a failed one, and as a label of its count. So a bug behind a flag can be
told from a bug of the release."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

from app.bounds import Names

HEADER = "x-variants"
USED = "slipway.variants"
FLAGS_MAX = 8
LABELS_MAX = 32
DEFAULT = "default"  # the code's own default held: the flag is killed or unknown

labels = Names(LABELS_MAX)


def begin(scope: Scope) -> Mapping[str, str]:
    """What this request will have used."""
    used: dict[str, str] = {}
    scope[USED] = used
    return used


def note(scope: Scope, flag: str, variant: str | None) -> None:
    used = scope.get(USED)
    if used is not None:
        used[flag] = variant or DEFAULT


def text(used: Mapping[str, str]) -> str:
    return ",".join(f"{flag}={used[flag]}" for flag in sorted(used)[:FLAGS_MAX])


def label(used: Mapping[str, str]) -> str:
    return labels.label(text(used)) if used else ""
