"""`python -m app.ops.tokens`: the tokens of the ops API, on the database that SLIPWAY_DATABASE_URL names."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import ArgumentError

from app import database
from app.ops import tokens
from app.ops.tokens import DAYS_MAX, TokenScope
from app.problems import Problem

EXIT_USAGE, EXIT_NONE, EXIT_AWAY, EXIT_CONFIG = 64, 66, 69, 78  # of sysexits.h
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._ -]{0,63}")
EXAMPLES = """examples:
  python -m app.ops.tokens create --name "on-call" --scope flags:read --scope flags:kill --expires-days 30
  python -m app.ops.tokens revoke 0123456789abcdef
  python -m app.ops.tokens list --json
"""


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    url = os.environ.get("SLIPWAY_DATABASE_URL")
    if not url:
        return _failed("SLIPWAY_DATABASE_URL is missing: postgresql+asyncpg://user@host:5432/name", EXIT_CONFIG)
    try:
        return asyncio.run(_run(asked, url))
    except Problem as problem:
        return _failed(f"{problem.detail} runbooks/database.md says what to do.", EXIT_AWAY)
    except ArgumentError:
        return _failed("SLIPWAY_DATABASE_URL must look like postgresql+asyncpg://user@host:5432/name", EXIT_CONFIG)


async def _run(asked: argparse.Namespace, url: str) -> int:
    engine = database.connect(url, 1, watched=False)
    try:
        async with database.committed(engine) as session:
            match asked.command:
                case "create":
                    made = await tokens.create(session, asked.name, asked.scope, asked.expires_days)
                    said: Any = made._asdict() | {"expires_at": made.expires_at.isoformat()}
                    text = made.token
                case "revoke":
                    if not await tokens.revoke(session, asked.id):
                        return _failed(f"There is no token {asked.id}; `list` shows which there are.", EXIT_NONE)
                    said, text = {"id": asked.id, "revoked": True}, f"{asked.id} is revoked."
                case _:
                    said = [_shown(row) for row in await tokens.every(session)]
                    text = "\n".join(
                        f"{row['id']}  {row['state']:8} until {row['expires_at'][:10]}  {row['name']}: {', '.join(row['scopes'])}"
                        for row in said
                    )
    finally:
        await engine.dispose()
    print(json.dumps(said) if asked.json else text or "There are no tokens.")
    return 0


def _shown(row: Any) -> dict[str, Any]:
    ended = tokens.why_ended(row, datetime.now(UTC))
    state = "good" if ended is None else "revoked" if row.revoked_at else "expired"
    return {"id": row.id, "name": row.name, "scopes": row.scopes, "expires_at": row.expires_at.isoformat(), "state": state}


def _failed(what: str, status: int) -> int:
    print(what, file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(EXIT_USAGE, f"{message}. `python -m app.ops.tokens --help` has examples.\n")


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    shared = _Parser(add_help=False)
    shared.add_argument("--json", action="store_true", help="for programs")
    parser = _Parser(prog="python -m app.ops.tokens", description=__doc__, epilog=EXAMPLES, formatter_class=plain)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    create = commands.add_parser("create", parents=[shared], help="make a token, and show it: this once")
    create.add_argument("--name", type=_name, required=True, help="whose it is; stands in the record of changes")
    create.add_argument("--scope", type=TokenScope, action="append", required=True, help=f"one or more of {', '.join(TokenScope)}")
    create.add_argument("--expires-days", type=_days, required=True, metavar="D", help=f"1 to {DAYS_MAX}")
    revoke = commands.add_parser("revoke", parents=[shared], help="end a token, now")
    revoke.add_argument("id", help="the part between the first two `_` of the token")
    commands.add_parser("list", parents=[shared], help="all tokens; never their secrets")
    return parser


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("should be 1 to 64 letters, digits, spaces and any of @._-")
    return text


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= DAYS_MAX:
        raise argparse.ArgumentTypeError(f"should be a whole number from 1 to {DAYS_MAX}")
    return int(text)
