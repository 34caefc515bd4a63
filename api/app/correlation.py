"""A correlation id comes in or is made; it is in every log line and every answer, as is the release that answered. The build that asked
is in the log lines."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.clients import build_of

VALID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Correlation:
    def __init__(self, app: ASGIApp, release: str) -> None:
        self.app = app
        self.release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        incoming = Headers(scope=scope)
        correlation_id = taken_or_made(incoming.get("x-correlation-id"))
        build = build_of(incoming)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-correlation-id"] = correlation_id
                headers["x-release"] = self.release
            await send(message)

        with bound_contextvars(correlation_id=correlation_id, **({"client_build": build} if build else {})):
            await self.app(scope, receive, marked)


def taken_or_made(incoming: str | None) -> str:
    return incoming if incoming and VALID.fullmatch(incoming) else uuid4().hex
