"""Every process as data: the exact argv and environment."""

from __future__ import annotations

import signal
from pathlib import Path

from release import runtime

DIGEST = "sha256:" + "a" * 64


def test_an_instance_serves_the_socket_that_it_inherits() -> None:
    program = runtime.instance(
        Path("/r"),
        Path("/v"),
        digest=DIGEST,
        revision="f00",
        index=1,
        fd=7,
        database_url="postgresql+asyncpg://x",
        flags=Path("/f/known.json"),
        graceful_s=5.0,
    )
    assert program == runtime.Program(
        name="release-aaaaaaaaaaaa-1",
        argv=(
            *("/v/bin/python", "-m", "uvicorn", "app.main:app", "--fd", "7", "--loop", "uvloop", "--http", "httptools"),
            *("--no-access-log", "--no-server-header", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "5"),
        ),
        cwd=Path("/r/api"),
        environment={
            "SLIPWAY_DATABASE_URL": "postgresql+asyncpg://x",
            "SLIPWAY_DIGEST": DIGEST,
            "SLIPWAY_REVISION": "f00",
            "SLIPWAY_FLAGS_FILE": "/f/known.json",
        },
        stop_signal=signal.SIGTERM,
    )


def test_an_origin_needs_no_database() -> None:
    program = runtime.origin(Path("/r"), Path("/v"), digest=DIGEST, fd=7, assets=Path("/pool"), graceful_s=5.0)
    assert (program.name, program.cwd) == ("web-aaaaaaaaaaaa", Path("/r/api"))
    assert program.argv[:7] == ("/v/bin/python", "-m", "uvicorn", "app.spa:origin", "--factory", "--fd", "7")
    assert program.environment == {"SLIPWAY_DIGEST": DIGEST, "SLIPWAY_ASSETS": "/pool"}


def test_the_edge_closes_idle_connections_before_a_release_does() -> None:
    assert runtime.UPSTREAM_IDLE_S < runtime.KEEP_ALIVE_S


def test_a_migration_is_the_releases_own() -> None:
    program = runtime.migration(Path("/r"), Path("/v"), digest=DIGEST, revision="f00", database_url="postgresql+asyncpg://x")
    assert program.argv == ("/v/bin/python", "-m", "alembic", "-c", "/r/db/alembic.ini", "upgrade", "head")
    assert program.environment["SLIPWAY_DATABASE_URL"] == "postgresql+asyncpg://x"


def test_dependencies_come_by_hash_and_nothing_else() -> None:
    assert runtime.new_venv("uv", "/usr/bin/python3", Path("/v")) == (
        "uv",
        "venv",
        "-q",
        "--no-project",
        "--python",
        "/usr/bin/python3",
        "/v",
    )
    assert runtime.install("uv", Path("/r/api.lock"), Path("/v")) == (
        *("uv", "pip", "install", "-q", "--require-hashes", "--no-deps"),
        *("--python", "/v/bin/python", "-r", "/r/api.lock"),
    )


def test_envoy_shares_no_memory_with_other_envoys() -> None:
    assert runtime.envoy(Path("/bin/envoy"), Path("/edge/bootstrap.json")).argv == (
        *("/bin/envoy", "-c", "/edge/bootstrap.json", "--disable-hot-restart"),
        *("--concurrency", "1", "--file-flush-interval-msec", "100"),
    )


def test_postgres_has_no_unix_socket_and_asks_for_a_password() -> None:
    program = runtime.postgres(Path("/pg"), Path("/data"), 5433)
    assert program.argv[:5] == ("/pg/postgres", "-D", "/data", "-p", "5433")
    assert "unix_socket_directories=" in program.argv
    assert "listen_addresses=127.0.0.1" in program.argv
    assert program.stop_signal == signal.SIGINT
    assert runtime.initdb(Path("/pg"), Path("/data"), Path("/secret"))[5:9] == ("-A", "scram-sha-256", "--pwfile", "/secret")


def test_root_looks_like_nobody_to_postgres() -> None:
    assert runtime.as_nobody(("postgres", "-D", "/data")) == (
        *("unshare", "--user", "--map-user=65534", "--map-group=65534", "--"),
        *("postgres", "-D", "/data"),
    )


def test_children_compile_and_are_led_by_nothing_of_the_callers() -> None:
    caller = {"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "/evil", "VIRTUAL_ENV": "/v", "PGHOST": "production"}
    assert runtime.inherited(caller) == {"PATH": "/bin"}
