"""Which copy answered each user."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import Literal, TypeAlias

from drill.samples import Response
from release.home import short

Lane: TypeAlias = Literal["baseline", "canary", "edge"]


def lanes(responses: Sequence[Response], canary: str | None, shifts_s: Sequence[float]) -> list[Lane]:
    """The lane of each response, by the release that it names.

    A response that names none (the edge's own error, or no answer at all) belongs to the lane from which the same user was answered
    between the same two weight changes, since users are sticky; without such evidence it is `edge`, and counted against everybody.
    """
    hex12 = short(canary) if canary else None
    named: dict[tuple[str, int], Lane] = {}
    for response in responses:
        if response.release is not None:
            named[response.user, bisect(shifts_s, response.sent_s)] = _named(response.release, hex12)
    return [
        _named(response.release, hex12)
        if response.release is not None
        else named.get((response.user, bisect(shifts_s, response.sent_s)), "edge")
        for response in responses
    ]


def _named(release: str, canary: str | None) -> Lane:
    return "canary" if release == canary else "baseline"
