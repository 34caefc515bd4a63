"""Rules that each migration keeps, read from its text and from the SQL that it would run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

DB = Path(__file__).parents[1]
PHASES = {"baseline", "expand", "migrate", "contract"}
TIMEOUTS = ("lock_timeout = ", "statement_timeout = ")


def config(output: io.StringIO | None = None) -> Config:
    return Config(DB / "alembic.ini", output_buffer=output or io.StringIO())


def migrations() -> list[Script]:
    return list(ScriptDirectory.from_config(config()).walk_revisions())


def sql(step: str) -> str:
    output = io.StringIO()
    (command.upgrade if step.startswith(":") else command.downgrade)(config(output), step.removeprefix(":"), sql=True)
    return output.getvalue()


def test_one_line_of_numbered_migrations_and_its_head_is_the_schema_window() -> None:
    window = json.loads((DB / "schema.json").read_text())
    numbers = [script.revision for script in reversed(migrations())]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]
    assert window["head"] == numbers[-1]
    assert window["head"] in window["runs_on"]  # a release that has stopped to read a column already runs on the revision that drops it
    assert window["contracts"] == [script.revision for script in reversed(migrations()) if script.module.phase == "contract"]


@pytest.mark.parametrize("script", migrations(), ids=lambda script: script.revision)
def test_its_phase_is_named_and_it_gives_up_in_time(script: Script) -> None:
    assert script.module.phase in PHASES
    assert (script.module.phase == "baseline") == (script.down_revision is None)
    for steps in (sql(f":{script.down_revision or 'base'}:{script.revision}"), sql(f"{script.revision}:{script.down_revision or 'base'}")):
        first_change = min(steps.index(word) for word in ("CREATE TABLE products", "ALTER TABLE", "DROP TABLE", "UPDATE ") if word in steps)
        for timeout in TIMEOUTS:  # SET LOCAL in a transaction, SET where each statement is one
            assert 0 < steps.find(timeout) < first_change


def test_a_new_migration_starts_safe() -> None:
    template = (DB / "migrations" / "script.py.mako").read_text()
    assert "phase = " in template
    for part in ("def upgrade", "def downgrade"):
        body = template.split(part)[1].split("def ")[0]
        assert all(timeout in body for timeout in TIMEOUTS)
