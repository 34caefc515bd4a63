"""Each migration goes up, down and up again on a real PostgreSQL, with data in it, also when two migrators meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DB = Path(__file__).parents[1]
WINDOW = json.loads((DB / "schema.json").read_text())
ORDER = """
INSERT INTO orders (client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)
VALUES ('u1', 'k1', 'hash', 'DE', ' free Text ', 'EUR', 0, 1290, 245);
INSERT INTO order_lines SELECT id, 1, 5, 1, 1290, 0, 1290, 245 FROM orders;
"""


def start(url: str, *words: str, cwd: Path = DB) -> subprocess.Popen[str]:
    environment = {**os.environ, "SLIPWAY_DATABASE_URL": url}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    argv = [sys.executable, "-m", "alembic", "-c", str(DB / "alembic.ini"), *words]
    return subprocess.Popen(argv, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def alembic(url: str, *words: str, cwd: Path = DB) -> str:
    process = start(url, *words, cwd=cwd)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    return said


@pytest.mark.real
def test_up_down_up(empty_database: Any, tmp_path: Path) -> None:
    """From a foreign folder, and what stays behind after the way down is nothing."""
    url, sql = empty_database.url, empty_database.sql
    alembic(url, "upgrade", "head", cwd=tmp_path)
    assert sql("SELECT version_num FROM alembic_version") == WINDOW["head"]
    sql(ORDER)
    before = sql("SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")
    alembic(url, "downgrade", "base")
    assert sql("SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'") == "alembic_version"
    alembic(url, "upgrade", "head")
    assert (
        sql("SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")
        == before
    )
    sql(ORDER)


@pytest.mark.real
def test_each_step_down_and_up_keeps_orders(database: Any) -> None:
    """All steps but the baseline's: undoing that one removes the shop."""
    database.sql(ORDER)
    alembic(database.url, "downgrade", "0001")
    assert database.sql("SELECT net_cents FROM orders") == "1290"
    alembic(database.url, "upgrade", "head")
    assert database.sql("SELECT client_id, net_cents FROM orders") == "u1|1290"
    assert database.sql("SELECT count(*) FROM order_lines") == "1"


@pytest.mark.real
def test_tables_in_code_are_tables_in_the_database(database: Any) -> None:
    assert "No new upgrade operations detected" in alembic(database.url, "check")


@pytest.mark.real
def test_a_drift_would_be_seen(database: Any) -> None:
    database.sql("ALTER TABLE products DROP CONSTRAINT products_price_positive_check; ALTER TABLE orders ADD note text")
    process = start(database.url, "check")
    said, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "note" in said
    assert "price_positive" in said


@pytest.mark.real
def test_migrators_that_meet_take_turns(empty_database: Any) -> None:
    processes = [start(empty_database.url, "upgrade", "head") for _ in range(3)]
    said = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert empty_database.sql("SELECT count(*) FROM products") == "12"


@pytest.mark.real
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO products VALUES (99, 'n', 'd', 0, 'standard')",
        "INSERT INTO products VALUES (99, 'n', 'd', 1, 'other')",
        "INSERT INTO order_lines SELECT id, 2, 99, 1, 1, 0, 1, 0 FROM orders",
        "INSERT INTO order_lines SELECT id, 2, 1, 0, 1, 0, 1, 0 FROM orders",
        "UPDATE orders SET tax_cents = -1",
        "INSERT INTO flags VALUES ('f', '{}', 0)",
        "INSERT INTO flag_freeze (reason, actor) VALUES ('r', 'a'), ('r', 'a')",
        "INSERT INTO flag_freeze (one, reason, actor) VALUES (false, 'r', 'a')",
        "INSERT INTO flag_changes VALUES (1, '', '', '', 'f', '', NULL, NULL, 'p', 'h'), (2, '', '', '', 'f', '', NULL, NULL, 'p', 'h')",
        ORDER,
    ],
)
def test_the_database_refuses_nonsense(database: Any, statement: str) -> None:
    database.sql(ORDER)
    with pytest.raises(AssertionError, match="constraint"):
        database.sql(statement)


@pytest.mark.real
def test_a_missing_address_is_one_plain_line(tmp_path: Path) -> None:
    process = start("", "upgrade", "head", cwd=tmp_path)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 1
    assert said.startswith("SLIPWAY_DATABASE_URL is missing")
    assert said.count("\n") == 1


@pytest.mark.real
def test_flags_start_as_they_ship_and_the_last_release_still_sells(database: Any) -> None:
    """Its INSERT (above) names neither the new column nor a flag."""
    shipped = json.loads((DB / "flags.json").read_text())["flags"]
    stored = {
        key: json.loads(text)
        for key, text in (line.split("|", 1) for line in database.sql("SELECT key, definition FROM flags").splitlines())
    }
    assert stored == shipped
    database.sql(ORDER)
    assert database.sql("SELECT DISTINCT o.volume_discount_cents, l.volume_discount_cents FROM orders o, order_lines l") == "0|0"
