"""What is risky in the SQL of the migrations: `python db/tests/lint.py [REVISION …]`.

squawk knows what locks, rewrites or breaks; what it says is held against the phase of each migration, and what to write instead is said in
this repository's words. A migration may waive a rule with a reason: `waived = {"rule": "reason"}`.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

DB = Path(__file__).resolve().parents[1]
PHASES = ("baseline", "expand", "migrate", "contract")
LOCK_MAX_S, STATEMENT_MAX_S = 1, 60
SQUAWK_S = 60

# What squawk would have otherwise, and why we do not.
NOT_ASKED = {
    "prefer-bigint-over-int": "ids of the catalogue, percents and versions stay small",
    "prefer-bigint-over-smallint": "the same",
    "prefer-robust-stmts": "what is not in a transaction is run again from its start, which a test does (db/tests/test_migrations.py)",
}
REMOVES = (
    *("ban-drop-column", "ban-drop-table", "ban-drop-constraint", "ban-drop-not-null", "ban-drop-default", "ban-drop-trigger"),
    *("ban-drop-function", "ban-drop-schema", "ban-drop-database"),
)
LATER = "Leave it, stop to read and write it, and remove it in a step of the phase `contract`, when no warm release uses it any more."
ANEW = "Add a new column, write both, fill the old rows in by a backfill, switch reads, and remove the old one in a contract step."
INSTEAD = {
    **dict.fromkeys(REMOVES, LATER),
    "renaming-column": ANEW,
    "renaming-table": "Make a view or a new table, and move over in three releases: expand, migrate, contract.",
    "changing-column-type": ANEW,
    "adding-field-with-default": "Add the column without a default, or with a constant one; old rows are a backfill's work.",
    "adding-required-field": "Let it be NULL at first: the releases before this one do not write it.",
    "adding-not-nullable-field": "ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID, VALIDATE it in the next migration, then SET NOT NULL.",
    "require-lock-timeout": "Begin with SET LOCAL lock_timeout = '200ms': whoever uses the table waits behind us.",
    "require-statement-timeout": "Begin with SET LOCAL statement_timeout = '30s'.",
}


@dataclass(frozen=True)
class Finding:
    """`line`: of the statement, shortened."""

    revision: str
    rule: str
    line: str
    what: str
    instead: str


@dataclass(frozen=True)
class Migration:
    """`up`, `down`: its SQL, as PostgreSQL would get it. `waived`: rule -> reason."""

    revision: str
    phase: str | None
    up: str
    down: str
    waived: Mapping[str, str] = field(default_factory=dict)


def findings(migration: Migration) -> list[Finding]:
    found = [*_phase(migration), *_waived(migration)]
    for sql, allowed in ((migration.up, REMOVES if migration.phase == "contract" else ()), (migration.down, REMOVES)):
        found += _squawk(migration, sql, {*NOT_ASKED, *allowed})
        found += _ours(migration, sql)
    return [one for one in found if one.rule not in migration.waived]


def _phase(migration: Migration) -> Iterator[Finding]:
    if migration.phase not in PHASES:
        what = f"its phase is {migration.phase!r}"
        yield Finding(
            migration.revision, "phase", "phase = …", what, f"Name one of {', '.join(PHASES)}: it says who must have gone before it runs."
        )


def _waived(migration: Migration) -> Iterator[Finding]:
    for rule, reason in migration.waived.items():
        if not reason.strip():
            yield Finding(
                migration.revision, "waived-without-reason", f"waived[{rule!r}]", "no reason is given", "Say why it is no risk here."
            )


def _squawk(migration: Migration, sql: str, excluded: set[str]) -> Iterator[Finding]:
    argv = [str(Path(sys.executable).with_name("squawk")), "--pg-version=18", "--reporter=json", f"--exclude={','.join(sorted(excluded))}"]
    done = subprocess.run(argv, input=sql, capture_output=True, text=True, timeout=SQUAWK_S, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"squawk failed: {done.stderr.strip()}")
    lines = sql.splitlines()
    for one in json.loads(done.stdout or "[]"):
        instead = INSTEAD.get(one["rule_name"]) or one.get("help") or one["message"]
        yield Finding(migration.revision, one["rule_name"], _short(lines[one["line"] : one["line_end"] + 1]), one["message"], instead)


# What squawk does not look for.
ROWS = re.compile(r"^(UPDATE|DELETE FROM|TRUNCATE(?: TABLE)?)\s+(?:ONLY\s+)?\"?(\w+)", re.I)
WHOLE = re.compile(r"^(LOCK(?: TABLE)?|VACUUM|CLUSTER|REINDEX|REFRESH)\b(?!.*\bCONCURRENTLY\b)", re.I)
TIMEOUT = re.compile(r"^SET (?:LOCAL |SESSION )?(lock_timeout|statement_timeout)\s*(?:=|TO)\s*'?(\d+)\s*(ms|s|min|h)?'?", re.I)
HIDDEN = re.compile(r"^DO \$(\w*)\$(.*?)\$\1\$", re.I | re.M | re.S)
CHANGES = re.compile(r"\b(ALTER|DROP|CREATE|TRUNCATE|UPDATE|DELETE|INSERT|EXECUTE)\b", re.I)
INLINE_CHECK = re.compile(r"^ALTER TABLE (?:ONLY )?\"?(\w+)\"? ADD (?:COLUMN )?.*\bCHECK \((?!.*NOT VALID)", re.I)
INDEX = re.compile(r"^(CREATE (?:UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY IF EXISTS) (?:IF NOT EXISTS )?\"?(\w+)", re.I)
LOCKS = re.compile(r"^(ALTER TABLE (?!.*\bVALIDATE CONSTRAINT\b)|DROP (TABLE|INDEX (?!CONCURRENTLY)))", re.I)
IN_S = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, None: 0.001}
SMALL = ("alembic_version", "flags", "schema_window", "backfills")  # a row or a few, whatever users do


def _ours(migration: Migration, sql: str) -> Iterator[Finding]:
    made: set[str] = set()
    dropped: set[str] = set()
    for hidden in HIDDEN.finditer(sql):
        if CHANGES.search(hidden[2]):
            yield Finding(
                migration.revision, "hidden-sql", _short([hidden[0]]), "what a DO block changes can't be looked at",
                "Write it as plain statements; a DO block may look and RAISE.",
            )  # fmt: skip
    bounds_s = {"lock_timeout": 0.0, "statement_timeout": 0.0}  # 0: not said; that squawk finds
    for statement in statements(sql):
        made |= set(re.findall(r"^CREATE TABLE \"?(\w+)", statement, re.I))
        if said := TIMEOUT.match(statement):
            bounds_s[said[1].lower()] = int(said[2]) * IN_S[said[3]]
        elif (rows := ROWS.match(statement)) and rows[2] not in {*made, *SMALL}:
            yield Finding(
                migration.revision, "rows-in-a-migration", _short([statement]), "it touches all rows of a table that users use, in one transaction",
                "Fill in by a backfill: batches, a transaction each, beside users (api/app/backfill).",
            )  # fmt: skip
        elif (check := INLINE_CHECK.match(statement)) and check[1] not in made and "ADD CONSTRAINT" not in statement.upper():
            yield Finding(
                migration.revision, "constraint-in-new-column", _short([statement]), "all rows are read while the table is locked",
                "Add the column alone, then ADD CONSTRAINT … CHECK (…) NOT VALID, and VALIDATE it in the next migration.",
            )  # fmt: skip
        elif index := INDEX.match(statement):
            if index[1].upper().startswith("DROP"):
                dropped.add(index[2])
            elif index[2] not in dropped:
                yield Finding(
                    migration.revision, "rerun-fails", _short([statement]), "ended halfway, it leaves an index that is not valid, and can't run again",
                    f"DROP INDEX CONCURRENTLY IF EXISTS {index[2]} before it.",
                )  # fmt: skip
        elif WHOLE.match(statement):
            yield Finding(
                migration.revision, "whole-table-lock", _short([statement]), "it holds a whole table for as long as it takes",
                "Leave it out; where an index is to be made anew, REINDEX CONCURRENTLY in an autocommit block.",
            )  # fmt: skip
        elif LOCKS.match(statement) and (bounds_s["lock_timeout"] > LOCK_MAX_S or bounds_s["statement_timeout"] > STATEMENT_MAX_S):
            yield Finding(
                migration.revision, "timeout-too-long", _short([statement]), "users of the table wait behind this lock",
                f"SET LOCAL lock_timeout of at most {LOCK_MAX_S} s, statement_timeout of at most {STATEMENT_MAX_S} s; env.py tries again.",
            )  # fmt: skip


def statements(sql: str) -> list[str]:
    """As alembic prints them: each ends with a semicolon and an empty line."""
    without_comments = re.sub(r"^--.*\n", "", sql, flags=re.M)
    return [" ".join(part.split()) for part in re.split(r";\s*\n", without_comments) if part.strip()]


def _short(lines: Sequence[str]) -> str:
    text = " ".join(" ".join(lines).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


# The migrations of this tree.


def read(config: Config, revisions: Sequence[str] = ()) -> list[Migration]:
    """Oldest first. Raises SystemExit for a revision that is not there."""
    scripts = list(reversed(list(ScriptDirectory.from_config(config).walk_revisions())))
    if unknown := set(revisions) - {script.revision for script in scripts}:
        raise SystemExit(
            f"There is no migration {', '.join(sorted(unknown))}; there are {', '.join(script.revision for script in scripts)}."
        )
    return [_migration(config, script) for script in scripts if not revisions or script.revision in revisions]


def _migration(config: Config, script: Script) -> Migration:
    down = script.down_revision or "base"
    up, back = _sql(config, f"{down}:{script.revision}", command.upgrade), _sql(config, f"{script.revision}:{down}", command.downgrade)
    return Migration(script.revision, getattr(script.module, "phase", None), up, back, getattr(script.module, "waived", {}))


def _sql(config: Config, step: str, way: Any) -> str:
    config.output_buffer = io.StringIO()
    way(config, step.removeprefix("base:") if step.startswith("base:") else step, sql=True)
    return re.sub(r"CREATE TABLE alembic_version .*?\n\);\n", "", config.output_buffer.getvalue(), flags=re.S)  # alembic's own


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EXAMPLES)
    parser.add_argument("revisions", nargs="*", metavar="REVISION", help="default: all")
    parser.add_argument("--config", type=Path, default=DB / "alembic.ini", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(words)
    migrations = read(Config(asked.config), asked.revisions)
    found = [one for migration in migrations for one in findings(migration)]
    if asked.json:
        print(json.dumps({"migrations": len(migrations), "findings": [asdict(one) for one in found]}))
    for one in () if asked.json else found:
        print(f"{one.revision}  {one.rule}: {one.what}\n      {one.line}\n      instead: {one.instead}")
    if not found and not asked.json:
        print(f"{len(migrations)} migrations, nothing risky in their SQL.")
    return 1 if found else 0


EXAMPLES = """examples:
  python db/tests/lint.py
  python db/tests/lint.py 0004 --json
"""

if __name__ == "__main__":
    sys.exit(main())
