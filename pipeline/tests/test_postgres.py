"""A real PostgreSQL: the first start, the next one, and all ways in which it can be cut short."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from release.adapters.postgres import Identity, Postgres
from release.adapters.processes import wait_until
from release.errors import DatabaseFailed, NotUp
from release.home import Home

pytestmark = pytest.mark.real


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A checkout too deep for a Unix socket, with spaces in its path."""
    found = Home(tmp_path / ("a deep checkout " * 4) / ("and deeper " * 5))
    yield found
    Postgres(found, "test").processes.sweep(5)


@pytest.fixture
def postgres(home: Home) -> Postgres:
    return Postgres(home, "test")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One for all tests that only ask."""
    found = Postgres(Home(tmp_path_factory.mktemp("running")), "test")
    found.ensure()
    yield found
    found.processes.sweep(5)


def write(postgres: Postgres) -> None:
    postgres.psql("CREATE TABLE kept (word text)")
    postgres.psql("INSERT INTO kept VALUES ('a,\"b'), (NULL)")


def kept(postgres: Postgres) -> list[dict[str, str]]:
    return postgres.psql("SELECT word FROM kept")


def kill(postgres: Postgres) -> None:
    record = postgres.processes.alive("postgres")
    assert record
    assert record.pid
    psutil.Process(record.pid).kill()
    assert wait_until(lambda: not postgres.processes.alive("postgres"), 5)


def test_stop_and_start_keep_address_and_data(postgres: Postgres) -> None:
    with pytest.raises(NotUp):
        _ = postgres.url
    url = postgres.ensure()
    assert url.startswith("postgresql+asyncpg://store:")
    assert url.endswith("/store")
    write(postgres)
    assert kept(postgres) == [{"word": 'a,"b'}, {"word": ""}]
    postgres.stop()
    with pytest.raises(DatabaseFailed, match="refused"):
        kept(postgres)
    assert postgres.ensure() == url
    assert len(kept(postgres)) == 2


def test_kill_minus_nine_loses_nothing(postgres: Postgres) -> None:
    url = postgres.ensure()
    write(postgres)
    for _ in range(2):
        kill(postgres)
        assert postgres.ensure() == url
        assert len(kept(postgres)) == 2


def test_a_dead_one_that_nobody_buried_is_no_obstacle(postgres: Postgres, home: Home) -> None:
    """The process that started it lives, so after kill -9 a zombie keeps its number; PostgreSQL alone would take that for a server."""
    code = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from release.adapters.postgres import Postgres
        from release.home import Home
        print(Postgres(Home(Path({str(home.root)!r})), "test").ensure(), flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        try:
            assert starter.stdout
            url = starter.stdout.readline().strip()
            kill(postgres)
            assert postgres.ensure() == url
            assert postgres.psql("SELECT 1 AS one") == [{"one": "1"}]
        finally:
            starter.kill()


def test_two_that_come_at_once_start_one(home: Home) -> None:
    both = [Postgres(home, "test"), Postgres(home, "test")]
    with ThreadPoolExecutor() as pool:
        urls = set(pool.map(lambda postgres: postgres.ensure(), both))
    assert len(urls) == 1
    assert both[0].processes.alive("postgres") == both[1].processes.alive("postgres")
    log = (home.env("test") / "logs" / "postgres.log").read_text()
    assert log.count("ready to accept connections") == 1


def test_the_store_is_no_superuser(running: Postgres) -> None:
    asked = "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert running.psql(asked) == [{"rolsuper": "f", "rolcreaterole": "f"}]


def test_nobody_comes_in_without_the_password(running: Postgres) -> None:
    access = running.folder / "access.json"
    assert access.stat().st_mode & 0o777 == 0o600
    assert not (running.folder / ".admin-password").exists()
    right = access.read_text()
    access.write_text(right.replace('"store_password": "', '"store_password": "wrong'))
    with pytest.raises(DatabaseFailed, match="password authentication failed"):
        running.psql("SELECT 1")
    access.write_text(right)


def test_a_first_start_that_was_cut_short_is_begun_anew(postgres: Postgres) -> None:
    (postgres.folder / ".data.new").mkdir(parents=True)
    (postgres.folder / ".data.new" / "PG_VERSION").write_text("18\n")
    postgres.ensure()
    assert postgres.psql("SELECT 1 AS one") == [{"one": "1"}]
    assert not (postgres.folder / ".data.new").exists()


def test_a_start_whose_starter_died_before_the_database_was_made_is_begun_anew(postgres: Postgres) -> None:
    url = postgres.ensure()
    postgres._psql("DROP DATABASE store", user="postgres", database="postgres")
    record = postgres.processes.alive("postgres")
    assert record
    postgres.processes.note(record, ready=False)
    assert postgres.ensure() == url
    assert postgres.psql("SELECT 1 AS one") == [{"one": "1"}]


def test_a_port_that_was_taken_meanwhile(postgres: Postgres) -> None:
    url = postgres.ensure()
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    postgres.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        moved = postgres.ensure()
    assert moved != url
    assert postgres.psql("SELECT 1 AS one") == [{"one": "1"}]


def test_broken_data_is_told_with_the_servers_own_words(postgres: Postgres) -> None:
    postgres.ensure()
    postgres.stop()
    (postgres.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(DatabaseFailed, match="incompatible"):
        postgres.ensure()
    assert postgres.processes.living() == []


def test_a_wrong_statement_is_told(running: Postgres) -> None:
    with pytest.raises(DatabaseFailed, match='relation "nothing" does not exist'):
        running.psql("SELECT * FROM nothing")


def test_two_environments_are_two_databases(running: Postgres, postgres: Postgres) -> None:
    assert postgres.ensure() != running.url
    write(postgres)
    with pytest.raises(DatabaseFailed, match="does not exist"):
        kept(running)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs no other identity")
def test_root_without_user_namespaces_becomes_nobody() -> None:
    folder = Path(tempfile.mkdtemp())
    postgres = Postgres(Home(folder), "test", identity=Identity(user=65534))
    try:
        folder.chmod(0o755)
        postgres.ensure()
        write(postgres)
        record = postgres.processes.alive("postgres")
        assert record
        assert psutil.Process(record.pid).uids().real == 65534
        kill(postgres)
        postgres.ensure()
        assert len(kept(postgres)) == 2
    finally:
        postgres.processes.sweep(5)
        shutil.rmtree(folder)
