"""The database slow, away, back again, or at another schema."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.real


@pytest.fixture
def store(database: Any, serve: Callable[..., str]) -> str:
    return serve(database.url, SLIPWAY_POOL_SIZE="2")


@pytest.fixture
def lock_on_products(database: Any) -> Iterator[None]:
    """Another session that keeps every reader of products waiting."""
    server = database.server
    argv = [str(server.programs / "psql"), "-qX", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", database.name]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, text=True) as session:
        assert session.stdin is not None
        session.stdin.write("BEGIN; LOCK products;\n")
        session.stdin.flush()
        until_s = time.monotonic() + 20
        while database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'products'::regclass AND mode = 'AccessExclusiveLock'") != "1":
            assert time.monotonic() < until_s
        yield


def test_ready_only_on_a_schema_that_it_runs_on(store: str, database: Any) -> None:
    assert httpx.get(f"{store}/readyz").status_code == 200
    database.sql("UPDATE alembic_version SET version_num = '0001'")
    answer = httpx.get(f"{store}/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/wrong-schema")
    assert "at schema 0001" in answer.json()["detail"]


def test_ready_on_a_later_schema_that_has_taken_nothing_from_it(store: str, database: Any) -> None:
    """Expand steps leave the floor where it is; a contract step raises it."""
    window = json.loads((Path(__file__).parents[2] / "db" / "schema.json").read_text())
    database.sql("CREATE TABLE IF NOT EXISTS schema_window (one boolean PRIMARY KEY DEFAULT true, floor text NOT NULL)")
    database.sql(f"DELETE FROM schema_window; INSERT INTO schema_window (floor) VALUES ('{window['runs_on'][-1]}')")
    database.sql("UPDATE alembic_version SET version_num = '9998'")
    assert httpx.get(f"{store}/readyz").status_code == 200
    database.sql("UPDATE schema_window SET floor = '9998'")
    answer = httpx.get(f"{store}/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/wrong-schema")
    assert "made for 9998 or later" in answer.json()["detail"]


def test_not_ready_on_an_empty_database(empty_database: Any, serve: Callable[..., str]) -> None:
    answer = httpx.get(f"{serve(empty_database.url)}/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/wrong-schema")


def test_connections_that_the_server_closed_are_replaced(store: str, database: Any) -> None:
    assert httpx.get(f"{store}/api/products").status_code == 200
    database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slipway-api' AND datname = current_database()"
    )
    statuses: list[int] = []
    until_s = time.monotonic() + 20
    while not statuses or statuses[-1] != 200:
        statuses.append(httpx.get(f"{store}/api/products").status_code)
        assert time.monotonic() < until_s
    assert set(statuses) <= {200, 503}


def test_a_database_that_vanishes_is_a_503_and_it_lives(database: Any, serve: Callable[..., str]) -> None:
    store = serve(database.url)
    assert httpx.get(f"{store}/readyz").status_code == 200
    database.server.run("dropdb", "--force", database.name)
    for path in ("/readyz", "/api/products", "/api/products/1"):
        answer = httpx.get(store + path)
        assert (answer.status_code, answer.headers["retry-after"], answer.json()["type"]) == (503, "1", "/problems/database-away")
    assert httpx.get(f"{store}/livez").status_code == 200


@pytest.mark.usefixtures("lock_on_products")
def test_waits_are_bounded_and_others_go_on(store: str) -> None:
    """Two requests wait for a lock, the rest for their connections: all end with 503; what needs no database is served meanwhile."""
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(httpx.get, f"{store}/api/products", timeout=60) for _ in range(12)]
        assert httpx.get(f"{store}/livez", timeout=30).status_code == 200
    kinds = {(answer.result().status_code, answer.result().json()["type"]) for answer in answers}
    assert kinds == {(503, "/problems/database-away"), (503, "/problems/overloaded")}


def test_the_schema_window_is_that_of_the_artifact() -> None:
    window = json.loads((Path(__file__).parents[2] / "db" / "schema.json").read_text())
    assert window["head"] in window["runs_on"]
