"""Each rule finds its bad migration and says what to write instead; good ones pass."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from alembic.config import Config
from trees import changed

DB = Path(__file__).parents[1]
BOUNDS = "SET LOCAL lock_timeout = '200ms';\n\nSET LOCAL statement_timeout = '30s';\n\n"
NO_DOWN = f"BEGIN;\n\n{BOUNDS}COMMIT;\n\n"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slipway_lint", DB / "tests" / "lint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


lint = _load()


def found(up: str, phase: str | None = "expand", *, down: str = NO_DOWN, bounds: str = BOUNDS, **waived: str) -> dict[str, str]:
    """Rule -> what to write instead."""
    migration = lint.Migration(
        "0099", phase, f"BEGIN;\n\n{bounds}{up}\n\nCOMMIT;\n\n", down, {k.replace("_", "-"): v for k, v in waived.items()}
    )
    return {one.rule: one.instead for one in lint.findings(migration)}


BAD = {
    "ban-drop-column": ("ALTER TABLE orders DROP COLUMN coupon;", "phase `contract`"),
    "ban-drop-table": ("DROP TABLE orders;", "phase `contract`"),
    "ban-drop-constraint": ("ALTER TABLE orders DROP CONSTRAINT orders_amounts_not_negative_check;", "phase `contract`"),
    "renaming-column": ("ALTER TABLE orders RENAME COLUMN coupon TO code;", "write both"),
    "renaming-table": ("ALTER TABLE orders RENAME TO sales;", "three releases"),
    "changing-column-type": ("ALTER TABLE orders ALTER COLUMN net_cents TYPE numeric;", "backfill"),
    "adding-field-with-default": ("ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();", "backfill"),
    "adding-required-field": ("ALTER TABLE orders ADD COLUMN note text NOT NULL;", "NULL at first"),
    "adding-not-nullable-field": ("ALTER TABLE orders ALTER COLUMN coupon SET NOT NULL;", "NOT VALID"),
    "constraint-missing-not-valid": ("ALTER TABLE orders ADD CONSTRAINT c CHECK (net_cents > 0);", "NOT VALID"),
    "adding-foreign-key-constraint": (
        "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (coupon) REFERENCES discount_codes (code);",
        "NOT VALID",
    ),
    "require-concurrent-index-creation": ("CREATE INDEX i ON orders (coupon);", "concurrently"),
    "require-concurrent-index-deletion": ("DROP INDEX orders_newest_first;", "CONCURRENTLY"),
    "rows-in-a-migration": ("UPDATE orders SET coupon = upper(coupon);", "backfill"),
    "constraint-in-new-column": ("ALTER TABLE orders ADD COLUMN x text CHECK (x > 'a');", "NOT VALID"),
    "hidden-sql": ("DO $$ BEGIN ALTER TABLE orders DROP COLUMN coupon; END $$;", "plain statements"),
    "rerun-fails": ("CREATE INDEX CONCURRENTLY i ON orders (coupon);", "DROP INDEX CONCURRENTLY IF EXISTS i"),
    "whole-table-lock": ("LOCK TABLE orders;", "CONCURRENTLY"),
}
GOOD = {
    "a nullable column": "ALTER TABLE orders ADD COLUMN note text;",
    "a column with a constant default": "ALTER TABLE orders ADD COLUMN pieces bigint DEFAULT 0 NOT NULL;",
    "a check that is not valid yet": "ALTER TABLE orders ADD CONSTRAINT c CHECK (net_cents > 0) NOT VALID;",
    "a table, with all that belongs to it": "CREATE TABLE notes (id uuid PRIMARY KEY);\n\nUPDATE notes SET id = id;\n\nCREATE INDEX n ON notes (id);",
    "a row of a small table": "UPDATE schema_window SET floor = '0099';",
    "an index, while users go on": "COMMIT;\n\nSET lock_timeout = '0';\n\nSET statement_timeout = '15min';\n\nDROP INDEX CONCURRENTLY IF EXISTS i;\n\nCREATE INDEX CONCURRENTLY i ON orders (coupon);\n\nBEGIN;",
    "a look that may refuse": "DO $$ BEGIN IF EXISTS (SELECT FROM orders WHERE net_cents < 0) THEN RAISE EXCEPTION 'no'; END IF; END $$;",
    "a check, read later": "COMMIT;\n\nALTER TABLE orders VALIDATE CONSTRAINT c;\n\nBEGIN;",
}


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_step_is_found_with_what_to_write_instead(rule: str) -> None:
    sql, instead = BAD[rule]
    assert instead in found(sql)[rule]


@pytest.mark.parametrize("sql", GOOD.values(), ids=GOOD)
def test_a_good_step_passes(sql: str) -> None:
    assert found(sql) == {}


@pytest.mark.parametrize(
    ("missing", "rule"), [("lock_timeout", "require-lock-timeout"), ("statement_timeout", "require-statement-timeout")]
)
def test_a_missing_timeout(missing: str, rule: str) -> None:
    bounds = "\n\n".join(line for line in BOUNDS.splitlines() if line and missing not in line) + "\n\n"
    assert f"SET LOCAL {missing}" in found(GOOD["a nullable column"], bounds=bounds)[rule]


def test_a_timeout_that_users_would_feel() -> None:
    bounds = "SET LOCAL lock_timeout = '20s';\n\nSET LOCAL statement_timeout = '30s';\n\n"
    assert "at most 1 s" in found(GOOD["a nullable column"], bounds=bounds)["timeout-too-long"]
    assert "timeout-too-long" not in found("SELECT 1;", bounds=bounds), "nobody waits behind that"


@pytest.mark.parametrize("phase", [None, "tidy up"])
def test_a_phase_that_is_missing_or_unknown(phase: str | None) -> None:
    assert "contract" in found("SELECT 1;", phase)["phase"]


def test_only_a_contract_step_removes() -> None:
    sql, _ = BAD["ban-drop-column"]
    assert found(sql, "contract") == {}
    assert set(found(sql, "migrate")) == {"ban-drop-column"}
    assert found("SELECT 1;", down=f"BEGIN;\n\n{BOUNDS}{sql}\n\nCOMMIT;\n\n") == {}, "the way down takes away what the way up has brought"
    assert set(found("ALTER TABLE orders RENAME COLUMN coupon TO code;", "contract")) == {"renaming-column"}


def test_a_waiver_needs_its_reason() -> None:
    sql, _ = BAD["rows-in-a-migration"]
    assert found(sql, rows_in_a_migration="ten rows") == {}
    assert set(found(sql, rows_in_a_migration=" ")) == {"waived-without-reason"}


# The command, on the tree's own migrations and on one more.


def tree_with(tmp_path: Path, body: str) -> Path:
    shutil.copytree(DB / "migrations", tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    head = json.loads((DB / "schema.json").read_text())["head"]
    text = f'revision, down_revision, phase = "9999", "{head}", "expand"\nfrom alembic import op\n\n\ndef upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n'
    (tmp_path / "migrations" / "versions" / "9999_bad.py").write_text(text)
    ini = (DB / "alembic.ini").read_text().replace("%(here)s/../api", str(DB.parent / "api"))
    (tmp_path / "alembic.ini").write_text(ini)
    return tmp_path / "alembic.ini"


def test_the_trees_own_migrations_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main([]) == 0
    assert "nothing risky" in capsys.readouterr().out
    assert next(one.revision for one in lint.read(Config(DB / "alembic.ini"))) == "0001"


def test_one_that_would_lock_the_hot_table_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ini = tree_with(tmp_path, "op.execute('ALTER TABLE orders ALTER COLUMN net_cents TYPE numeric')")
    assert lint.main(["--config", str(ini)]) == 1
    said = capsys.readouterr().out
    assert {"9999  changing-column-type:", "9999  require-lock-timeout:"} <= {line.partition(": ")[0] + ":" for line in said.splitlines()}
    assert "instead: Add a new column" in said
    assert lint.main(["--config", str(ini), "9999", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["migrations"], {one["revision"] for one in answer["findings"]}) == (1, {"9999"})


def test_an_unknown_revision_is_one_line() -> None:
    with pytest.raises(SystemExit, match="There is no migration 7777; there are 0001"):
        lint.main(["7777"])


def test_the_drills_bad_migration_is_refused(tmp_path: Path) -> None:
    """drills/faults/bad-migration.patch: what `make drill S=bad-migration` forces past us."""
    copy = changed(tmp_path / "tree", DB.parent / "drills" / "faults" / "bad-migration.patch")
    [bad] = lint.read(Config(copy / "db" / "alembic.ini"), ["0005"])
    assert {one.rule for one in lint.findings(bad)} >= {"changing-column-type", "require-lock-timeout", "require-statement-timeout"}
