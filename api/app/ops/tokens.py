"""Tokens of the ops API: who may do what, until when. Only the SHA-256 of a secret is stored; the secret has 256 random bits.

`python -m app.ops.tokens create | revoke | list`, with SLIPWAY_DATABASE_URL in the environment, makes and ends them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.bounds import Allowance
from app.problems import NotAuthorised, ScopeMissing, TooManyTries
from app.tables import AnyRow, ops_tokens

FORM = re.compile(r"slw_([0-9a-f]{16})_([0-9a-f]{64})")
DAYS_MAX = 366
TRIES_AT_ONCE_MAX = 20
TRIES_PER_S_MAX = 1.0
GOOD_IDS_MAX = 64
CHALLENGE = {"www-authenticate": "Bearer"}


class TokenScope(StrEnum):
    READ = "flags:read"
    WRITE = "flags:write"
    KILL = "flags:kill"
    FREEZE = "flags:freeze"


class Made(NamedTuple):
    id: str
    token: str  # shown once
    expires_at: datetime


class Guard:
    """Of one instance. Failed tries are few per second; who has shown a good token before is not held up by others' failures."""

    def __init__(self) -> None:
        self.tries = Allowance(TRIES_AT_ONCE_MAX, TRIES_PER_S_MAX)
        self.good: OrderedDict[str, None] = OrderedDict()

    def before(self, token_id: str) -> None:
        """Raises TooManyTries, before the database is asked."""
        if token_id not in self.good and not self.tries.has_one(time.monotonic()):
            raise TooManyTries

    def failed(self, why: str) -> NotAuthorised | TooManyTries:
        return NotAuthorised(why, headers=CHALLENGE) if self.tries.take(time.monotonic()) else TooManyTries()

    def passed(self, token_id: str) -> None:
        self.good[token_id] = None
        self.good.move_to_end(token_id)
        if len(self.good) > GOOD_IDS_MAX:
            self.good.popitem(last=False)


async def actor(session: AsyncSession, guard: Guard, token: str | None, scope: TokenScope) -> str:
    """The name of the token. Raises NotAuthorised, ScopeMissing, TooManyTries."""
    parts = FORM.fullmatch(token or "")
    if not parts:
        raise guard.failed("Send `Authorization: Bearer slw_…`; `python -m app.ops.tokens create` makes a token.")
    token_id, secret = parts.groups()
    guard.before(token_id)
    row = (await session.execute(select(ops_tokens).where(ops_tokens.c.id == token_id))).one_or_none()
    genuine = hmac.compare_digest(row.secret_hash if row else "0" * 64, hashed(secret))
    if row is None or not genuine:
        raise guard.failed("This token is not known here.")
    if (ended := why_ended(row, datetime.now(UTC))) is not None:
        raise guard.failed(ended)
    guard.passed(token_id)
    if scope not in row.scopes:
        raise ScopeMissing(f"This takes the scope {scope}; the token has {', '.join(row.scopes)}.")
    return str(row.name)


def why_ended(row: AnyRow, now: datetime) -> str | None:
    if row.revoked_at is not None:
        return "This token was revoked."
    return "This token has expired." if row.expires_at <= now else None


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def create(session: AsyncSession, name: str, scopes: Sequence[TokenScope], expires_days: int) -> Made:
    assert scopes
    assert 1 <= expires_days <= DAYS_MAX
    token_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    expires_at = datetime.now(UTC) + timedelta(days=expires_days)
    await session.execute(
        insert(ops_tokens).values(
            id=token_id, name=name, secret_hash=hashed(secret), scopes=sorted({str(scope) for scope in scopes}), expires_at=expires_at
        )
    )
    return Made(token_id, f"slw_{token_id}_{secret}", expires_at)


async def revoke(session: AsyncSession, token_id: str) -> bool:
    """Whether there is such a token. One that was revoked stays so."""
    known = update(ops_tokens).where(ops_tokens.c.id == token_id)
    done = await session.execute(known.values(revoked_at=func.coalesce(ops_tokens.c.revoked_at, func.now())).returning(ops_tokens.c.id))
    return done.one_or_none() is not None


async def every(session: AsyncSession, limit: int = 200) -> Sequence[AnyRow]:
    return (await session.execute(select(ops_tokens).order_by(ops_tokens.c.created_at.desc(), ops_tokens.c.id).limit(limit))).all()


if __name__ == "__main__":
    import sys

    from app.ops.command import main

    sys.exit(main())
