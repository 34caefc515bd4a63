"""The largest body that we read."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import BodyTooLarge

BODY_BYTES_MAX = 64 * 1024


class BodyLimit:
    """Counts what arrives, whatever Content-Length says; the route that reads on gets BodyTooLarge."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read_bytes = 0

        async def bounded() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > BODY_BYTES_MAX:
                raise BodyTooLarge(f"At most {BODY_BYTES_MAX} bytes.")
            return message

        await self.app(scope, bounded if scope["type"] == "http" else receive, send)
