"""Where a page ended, as text that clients pass back unread."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from uuid import UUID

from app.problems import InvalidRequest


def encode(created_at: datetime, order_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{created_at.isoformat()} {order_id}".encode()).decode()


def decode(text: str) -> tuple[datetime, UUID]:
    """Raises InvalidRequest for anything that `encode` did not make."""
    try:
        moment, order_id = base64.b64decode(text, altchars=b"-_", validate=True).decode("ascii").split(" ")
        key = datetime.fromisoformat(moment), UUID(order_id)
        genuine = encode(*key) == text and key[0].tzinfo is not None
    except (binascii.Error, ValueError):
        genuine = False
    if not genuine:
        raise InvalidRequest(faults=[{"where": "query.cursor", "what": "Input should be the next_cursor of an earlier page"}])
    return key
