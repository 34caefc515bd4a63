"""Which clients we still answer.

A client of ours says which build it is: `x-client-build: <level>.<id>`. Its level is `info.version` of the OpenAPI document that it was
built against. Whoever says nothing, or nothing that we can read, is answered as if built today.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import ClientTooOld, documented

HEADER = "x-client-build"
BUILD = re.compile(r"([0-9]{1,4})\.[A-Za-z0-9_-]{1,32}")
API = "/api/"


class Farewell(NamedTuple):
    """From when on a level is deprecated, and from when on we may refuse it. Both with their time zone."""

    deprecated_at: datetime
    sunset_at: datetime

    def headers(self) -> dict[str, str]:
        """RFC 9745, RFC 8594 and RFC 5829: the two dates, and what describes the level that comes after."""
        return {
            "deprecation": f"@{int(self.deprecated_at.timestamp())}",
            "sunset": format_datetime(self.sunset_at.astimezone(UTC), usegmt=True),
            "link": '</openapi.json>; rel="successor-version"',
        }


@dataclass(frozen=True)
class Levels:
    """`now` goes up when clients have to change; the level before gets its farewell and is answered as before. Once `oldest`
    has gone up, too, what only older clients used may go: see api/contract/README.md."""

    now: int
    oldest: int
    farewells: Mapping[int, Farewell]  # one for each level from `oldest` on, without `now`

    def __post_init__(self) -> None:
        assert set(self.farewells) == set(range(self.oldest, self.now))
        assert all(farewell.deprecated_at <= farewell.sunset_at for farewell in self.farewells.values())

    def told(self, level: int) -> dict[str, str]:
        """Headers for a client of this level. Raises ClientTooOld."""
        if level < self.oldest:
            # 410 may be kept by caches unless told otherwise (RFC 9110 15.5.11), and others are still answered here.
            raise ClientTooOld(
                f"It was built for level {level} of the API; the oldest one served is {self.oldest}. Load the page again.",
                headers={"cache-control": "no-store"},
            )
        return self.farewells[level].headers() if level in self.farewells else {}


LEVELS = Levels(now=1, oldest=1, farewells={})


def build_of(headers: Headers) -> str | None:
    build = headers.get(HEADER, "")
    return build if BUILD.fullmatch(build) else None


class KnownClients:
    """In front of routing: a client that is too old is told so at addresses that are gone, too, and whatever its body looks like."""

    def __init__(self, app: ASGIApp, levels: Levels = LEVELS) -> None:
        self.app = app
        self.levels = levels

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        build = build_of(Headers(scope=scope)) if scope["type"] == "http" and scope["path"].startswith(API) else None
        if build is None:
            await self.app(scope, receive, send)
            return
        try:
            told = self.levels.told(int(build.partition(".")[0]))
        except ClientTooOld as refusal:
            await refusal.answer()(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self.app(scope, receive, marked)


def describe(document: dict[str, Any]) -> None:
    """Adds to an OpenAPI document what `KnownClients` takes and gives."""
    document["info"]["x-oldest-client-level"] = LEVELS.oldest
    parts = document["components"]
    parts["parameters"] = {"ClientBuild": PARAMETER}
    parts["headers"] = dict(HEADERS)
    refused = {str(status): answer for status, answer in documented(ClientTooOld).items()}
    for operation in (op for path, methods in document["paths"].items() if path.startswith(API) for op in methods.values()):
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/ClientBuild"})
        for answer in operation["responses"].values():
            answer.setdefault("headers", {}).update({name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS})
        operation["responses"] |= refused


PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The client's build, `<level>.<id>`; its level is `info.version` of the document that it was built against. "
    "Older than `info.x-oldest-client-level`: 410. Left out or of another form: answered as if built today.",
    "examples": {"build": {"value": f"{LEVELS.now}.0123456789ab"}},
}
HEADERS = {
    "deprecation": {"schema": {"type": "string"}, "description": "Since when the client's level is deprecated: `@` and a Unix time."},
    "sunset": {"schema": {"type": "string"}, "description": "From when on the client's level may be refused: a date as HTTP writes it."},
    "link": {"schema": {"type": "string"}, "description": "`successor-version`: what describes the level to move to."},
}
