"""Each migration goes up, down and up again on a real PostgreSQL, with data in it, also when two migrators meet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DB = Path(__file__).parents[1]
WINDOW = json.loads((DB / "schema.json").read_text())
# As the release before the discount codes writes it: it names neither of the columns that came later.
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
    """All steps but the baseline's: undoing that one removes the shop. One after the other, and each again."""
    database.sql(ORDER)
    for revision in ("0003", "0002", "0001"):
        alembic(database.url, "downgrade", revision)
        assert database.sql("SELECT coupon, net_cents FROM orders") == "free Text |1290"
        alembic(database.url, "upgrade", "+1")
        alembic(database.url, "downgrade", "-1")
    alembic(database.url, "upgrade", "head")
    assert database.sql("SELECT coupon, client_id, net_cents, discount_code FROM orders") == "free Text |u1|1290|"
    assert database.sql("SELECT count(*) FROM order_lines") == "1"


@pytest.mark.real
@pytest.mark.matrix
def test_tables_in_code_are_tables_in_the_database(database: Any) -> None:
    process = start(database.url, "check")
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, (
        f"Write a migration for what api/app/tables.py has and the database has not, or the other way round:\n{said}"
    )


@pytest.mark.real
@pytest.mark.matrix
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
        "INSERT INTO discount_codes VALUES ('lower', 1, NULL)",
        "INSERT INTO discount_codes VALUES ('BOTH', 1, 2)",
        "INSERT INTO discount_codes VALUES ('NONE', NULL, NULL)",
        "INSERT INTO discount_codes VALUES ('NEGATIVE', -1, NULL)",
        "INSERT INTO discount_codes VALUES ('ALL', NULL, 1)",
        "INSERT INTO schema_window (floor) VALUES ('0009')",
        "UPDATE orders SET discount_code = 'UNKNOWN'",
        "UPDATE orders SET discount_code = ' welcome10 '",
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


# Locks.


@pytest.mark.real
def test_who_reads_a_table_for_long_stops_the_migration_and_no_user(empty_database: Any) -> None:
    """It gives up again and again, and nobody waits behind it for longer than its bound; once the table is free, it is done."""
    url, sql = empty_database.url, empty_database.sql
    alembic(url, "upgrade", "0002")
    with holding(empty_database, "SELECT count(*) FROM orders") as let_go:
        migrator = start(url, "upgrade", "head")
        assert migrator.stdout is not None
        assert "A lock was not to be had in time" in next(line for line in migrator.stdout if "lock" in line)
        waits_ms = [_ms(sql, ORDER.split(";", maxsplit=1)[0].replace("'k1'", f"'k{number}'")) for number in range(10)]
        let_go()
    said, _ = migrator.communicate(timeout=100)
    assert migrator.returncode == 0, said
    assert sql("SELECT version_num FROM alembic_version") == WINDOW["head"]
    assert sorted(waits_ms)[len(waits_ms) // 2] < 1000, waits_ms  # whoever meets a try waits for 200 ms; a busy machine adds to that


@pytest.mark.real
def test_in_the_end_it_says_that_it_has_given_up(database: Any, tmp_path: Path) -> None:
    """A step without bounds of its own, which needs the whole table, while somebody reads it."""
    url = database.url
    folder = tmp_path / "migrations"
    shutil.copytree(DB / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "env.py").write_text((folder / "env.py").read_text().replace("TRIES, PAUSE_S = 12, 1.0", "TRIES, PAUSE_S = 2, 0.1"))
    (folder / "versions" / "0099_bad.py").write_text(
        f'revision, down_revision = "0099", "{WINDOW["head"]}"\n'
        "from alembic import op\n\n\ndef upgrade():\n    op.execute('ALTER TABLE orders ALTER net_cents TYPE numeric')\n"
    )
    (tmp_path / "alembic.ini").write_text((DB / "alembic.ini").read_text().replace("%(here)s/../api", str(DB.parent / "api")))
    with holding(database, "SELECT count(*) FROM orders"):
        said = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(tmp_path / "alembic.ini"), "upgrade", "head"],
            env={**os.environ, "SLIPWAY_DATABASE_URL": url}, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert said.returncode == 1
    assert "Given up after 2 tries" in said.stderr
    assert "Traceback" not in said.stderr
    assert database.sql("SELECT version_num FROM alembic_version") == WINDOW["head"]


@pytest.mark.real
def test_an_index_that_was_left_half_made_is_made_anew(database: Any) -> None:
    alembic(database.url, "downgrade", "0003")
    database.sql(ORDER + "UPDATE orders SET coupon = NULL")
    database.sql(
        "CREATE INDEX orders_discount_code ON orders (client_id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_discount_code'::regclass"
    )
    alembic(database.url, "upgrade", "head")
    assert (
        database.sql(
            "SELECT indisvalid, pg_get_indexdef(indexrelid) LIKE '%(discount_code)' FROM pg_index WHERE indexrelid = 'orders_discount_code'::regclass"
        )
        == "t|t"
    )
    assert database.sql("SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = 'orders'::regclass") == "t"


def _ms(sql: Any, statement: str) -> float:
    began_s = time.monotonic()
    sql(statement)
    return (time.monotonic() - began_s) * 1000


@contextmanager
def holding(database: Any, statement: str) -> Iterator[Callable[[], None]]:
    """A transaction that somebody has left open."""
    argv = [
        str(database.server.programs / "psql"),
        "-X",
        "-q",
        "-h",
        "127.0.0.1",
        "-p",
        str(database.server.port),
        "-U",
        "postgres",
        database.name,
    ]
    psql = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert psql.stdin is not None
    assert psql.stdout is not None
    psql.stdin.write(f"BEGIN;\n{statement};\n\\echo held\n")
    psql.stdin.flush()
    next(line for line in psql.stdout if line.strip() == "held")
    try:
        yield psql.terminate
    finally:
        psql.terminate()
        psql.communicate(timeout=20)
