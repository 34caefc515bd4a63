"""Every process of the embedded runtime as data: what is called, with which environment, how it is asked to end. Nothing here acts."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from release.home import short

UPSTREAM_IDLE_S = 30  # the edge closes an idle connection to a release after this long,
KEEP_ALIVE_S = 75  # the release only later: else a request could meet a connection that is just closing
NOBODY = 65534

# Of our own environment these must not reach a child: bytecode makes each later start several times faster, and a release runs
# its own locked code on its own database, whatever the caller has on its path or set for PostgreSQL's clients (PGHOST, PGUSER, ...).
NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Program:
    """One process. `name` is unique in its environment and names its log; `environment` is added to what children inherit."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in NOT_INHERITED and not name.startswith("PG")}


def instance_name(digest: str, index: int) -> str:
    return f"release-{short(digest)}-{index}"


def origin_name(digest: str) -> str:
    return f"web-{short(digest)}"


def instance(
    release: Path, venv: Path, *, digest: str, revision: str, index: int, fd: int, database_url: str, flags: Path, graceful_s: float
) -> Program:
    """One instance of the store's API on a listening socket that it inherits: nobody can take its port between our choice and its start.

    `flags`: where the last known good flags outlive a restart.
    """
    environment = {
        "SLIPWAY_DATABASE_URL": database_url,
        "SLIPWAY_DIGEST": digest,
        "SLIPWAY_REVISION": revision,
        "SLIPWAY_FLAGS_FILE": str(flags),
    }
    return Program(instance_name(digest, index), _uvicorn(venv, ("app.main:app",), fd, graceful_s), release / "api", environment)


def origin(release: Path, venv: Path, *, digest: str, fd: int, assets: Path, graceful_s: float) -> Program:
    """What serves the release's SPA. It needs no database; `assets` has those of other releases, for tabs that are still open."""
    environment = {"SLIPWAY_DIGEST": digest, "SLIPWAY_ASSETS": str(assets)}
    return Program(origin_name(digest), _uvicorn(venv, ("app.spa:origin", "--factory"), fd, graceful_s), release / "api", environment)


def _uvicorn(venv: Path, app: tuple[str, ...], fd: int, graceful_s: float) -> tuple[str, ...]:
    return (
        *(str(venv / "bin" / "python"), "-m", "uvicorn", *app, "--fd", str(fd)),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header"),
        *("--timeout-keep-alive", str(KEEP_ALIVE_S), "--timeout-graceful-shutdown", str(max(1, int(graceful_s)))),
    )


def migration(
    release: Path, venv: Path, *, digest: str, revision: str, database_url: str, steps: Sequence[str] = ("upgrade", "head")
) -> Program:
    """The release's own steps, from whatever the schema is to its head."""
    argv = (str(venv / "bin" / "python"), "-m", "alembic", "-c", str(release / "db" / "alembic.ini"), *steps)
    environment = {"SLIPWAY_DATABASE_URL": database_url, "SLIPWAY_DIGEST": digest, "SLIPWAY_REVISION": revision}
    return Program(f"migrate-{short(digest)}", argv, release / "db", environment)


def tokens(release: Path, venv: Path, *, database_url: str, words: Sequence[str]) -> Program:
    """The release's own command for the tokens of its ops API."""
    argv = (str(venv / "bin" / "python"), "-m", "app.ops.tokens", *words)
    return Program("tokens", argv, release / "api", {"SLIPWAY_DATABASE_URL": database_url})


def watching(instances: Iterable[str]) -> tuple[str, ...]:
    """What a backfill is told of those whose users must not wait."""
    return tuple(word for address in instances for word in ("--watch", address))


def backfill(release: Path, venv: Path, *, database_url: str, words: Sequence[str]) -> Program:
    argv = (str(venv / "bin" / "python"), "-m", "app.backfill", *words)
    return Program("backfill", argv, release / "api", {"SLIPWAY_DATABASE_URL": database_url})


def new_venv(uv: str, python: str, venv: Path) -> tuple[str, ...]:
    return (uv, "venv", "-q", "--no-project", "--python", python, str(venv))


def install(uv: str, lock: Path, venv: Path) -> tuple[str, ...]:
    """Exactly what the release's lock names, each file by its hash."""
    return (uv, "pip", "install", "-q", "--require-hashes", "--no-deps", "--python", str(venv / "bin" / "python"), "-r", str(lock))


def envoy(binary: Path, bootstrap: Path) -> Program:
    """Hot restart is off: it wants memory that all Envoys of a machine share. One worker is plenty for loopback."""
    argv = (str(binary), "-c", str(bootstrap), "--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "100")
    return Program("envoy", argv, bootstrap.parent)


def as_nobody(argv: tuple[str, ...]) -> tuple[str, ...]:
    """PostgreSQL refuses to run as root. In a user namespace root looks like nobody to it, and files stay root's."""
    return ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--", *argv)


def initdb(binaries: Path, data: Path, password_file: Path) -> tuple[str, ...]:
    """Loopback is shared by all users of a machine, so even there a password is asked for. Not synced: nothing of value is in it yet."""
    return (
        *(str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(password_file)),
        *("--no-sync", "--no-instructions", "--locale=C", "-E", "UTF8"),
    )


def postgres(binaries: Path, data: Path, port: int) -> Program:
    """TCP only: a deep checkout makes the path of a Unix socket too long. SIGINT is its fast shutdown."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "64MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    flags = tuple(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
    return Program("postgres", (str(binaries / "postgres"), "-D", str(data), "-p", str(port), *flags), data, {}, signal.SIGINT)
