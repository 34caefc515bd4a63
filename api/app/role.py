"""What a container of this release does: `python -m app.role api | web | migrate [downgrade REVISION] | token … | backfill … | healthy`.

The database's password comes as a file (SLIPWAY_DATABASE_PASSWORD_FILE), so that it stands in no environment that `docker inspect` shows.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

PORT = 8000
KEEP_ALIVE_S = 75  # longer than the edge keeps a connection, so that it is never us who close one that it is about to use
GRACEFUL_S = 5
SERVE = (
    *("python", "-m", "uvicorn", "--host", "0.0.0.0", "--port", str(PORT), "--loop", "uvloop", "--http", "httptools", "--no-access-log"),  # noqa: S104
    *("--no-server-header", "--timeout-keep-alive", str(KEEP_ALIVE_S), "--timeout-graceful-shutdown", str(GRACEFUL_S)),
)
ROLES: Mapping[str, tuple[str, ...]] = {
    "api": (*SERVE, "app.main:app"),
    "web": (*SERVE, "--factory", "app.spa:origin"),
    "migrate": ("python", "-m", "alembic", "-c", "/release/db/alembic.ini"),
    "token": ("python", "-m", "app.ops.tokens"),
    "backfill": ("python", "-m", "app.backfill"),
}
TAKES_WORDS = ("migrate", "token", "backfill")
READY = ("/readyz", "/-/origin")  # of an API, of an origin


def main(words: Sequence[str]) -> int:
    if words == ["healthy"]:
        return 0 if healthy(f"http://127.0.0.1:{PORT}") else 1
    argv = words_of(words)
    if argv is None:
        print(f"Name one role: {', '.join(ROLES)}.", file=sys.stderr)
        return 64  # EX_USAGE of sysexits.h
    return _become(argv)


def words_of(words: Sequence[str]) -> tuple[str, ...] | None:
    """What the role runs; None where there is no such role."""
    role, *rest = words or [""]
    if role == "migrate":
        rest = rest or ["upgrade", "head"]
    return (*ROLES[role], *rest) if role in ROLES and (not rest or role in TAKES_WORDS) else None


def _become(argv: tuple[str, ...]) -> NoReturn:
    """The process is the server: one pid to stop."""
    os.execvpe(argv[0], argv, environment(os.environ))  # noqa: S606


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """With the password in the database's address, in place of `:@`."""
    file, address = given.get("SLIPWAY_DATABASE_PASSWORD_FILE"), given.get("SLIPWAY_DATABASE_URL")
    if not file or not address:
        return dict(given)
    password = quote(Path(file).read_text(encoding="utf-8").strip(), safe="")
    return {**given, "SLIPWAY_DATABASE_URL": address.replace(":@", f":{password}@", 1)}


def healthy(address: str) -> bool:
    return any(_answers(f"{address}{path}") for path in READY)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
