"""A cursor is opaque to clients and never trusted by us."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app import cursor
from app.problems import InvalidRequest

MOMENT = datetime(2026, 11, 23, 13, 7, 22, 123456, UTC)
ORDER = UUID("38b47d4c-94f8-4cea-97b1-03c89c0514fd")


def test_there_and_back() -> None:
    assert cursor.decode(cursor.encode(MOMENT, ORDER)) == (MOMENT, ORDER)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "AAAA",
        "AA==BB==",
        "\x00",
        encoded("one"),
        encoded(f"{MOMENT.isoformat()} {ORDER} more"),
        encoded(f"{MOMENT.isoformat()} not-a-uuid"),
        encoded(f"2026-13-45T99:00 {ORDER}"),
        encoded(f"{MOMENT.replace(tzinfo=None).isoformat()} {ORDER}"),
        encoded(f"{MOMENT.isoformat()} {ORDER.hex}"),
        encoded(f"{MOMENT.isoformat()} {{{ORDER}}}"),
    ],
)
def test_what_we_did_not_make_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        cursor.decode(text)
