"""A copy of the whole database in a file, and one column of it back into a database that lives on. By PostgreSQL's own tools."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from release.errors import DatabaseFailed, UsageError

BATCH = 1000
COPY = re.compile(rb"^COPY public\.(\w+) \((.+)\) FROM stdin;$")
NAME = re.compile(r"[a-z_][a-z0-9_]*")

# Each batch is a transaction of its own: users go on. Rows that were written since the dump get what stands in `otherwise`.
FILL = """
DO $fill$
DECLARE
  behind uuid := '00000000-0000-0000-0000-000000000000';
  ahead uuid;
BEGIN
  LOOP
    SELECT id INTO ahead FROM {table} WHERE id > behind ORDER BY id OFFSET {batch} LIMIT 1;
    UPDATE {table} AS now SET {column} = coalesce(old.{column}, here.{otherwise})
    FROM {table} AS here LEFT JOIN restored.{table} AS old ON old.id = here.id::text
    WHERE now.id = here.id AND here.id > behind AND (ahead IS NULL OR here.id <= ahead)
      AND here.{column} IS NULL AND coalesce(old.{column}, here.{otherwise}) IS NOT NULL;
    COMMIT;
    EXIT WHEN ahead IS NULL;
    behind := ahead;
  END LOOP;
END $fill$
"""
COUNT = """
SELECT count(old.{column}) AS dumped, count(*) - count(old.{column}) AS since
FROM {table} LEFT JOIN restored.{table} AS old ON old.id = {table}.id::text WHERE {table}.{column} IS NOT NULL
"""


class Tools(Protocol):
    def psql(self, sql: str) -> Sequence[dict[str, str]]: ...

    def tool(self, argv: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None) -> None:
        """Run one of PostgreSQL's programs on the store's database. Raises DatabaseFailed."""
        ...


class Restored(NamedTuple):
    """Rows: from the dump, and from `otherwise`."""

    from_dump: int
    written_since: int


class Column(NamedTuple):
    table: str
    name: str

    @classmethod
    def named(cls, text: str) -> Column:
        """`table.column`. Raises UsageError."""
        table, _, name = text.partition(".")
        if not NAME.fullmatch(table) or not NAME.fullmatch(name):
            raise UsageError(f"{text!r} is no column.", remedy="Name it like orders.coupon.")
        return cls(table, name)


def dump(database: Tools, file: Path) -> None:
    """All of it, compressed, in PostgreSQL's custom format. What is in `file` is whole, or as it was before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    try:
        database.tool(["pg_dump", "--format=custom", "--no-owner"], stdout=new)
        new.rename(file)
    finally:
        new.unlink(missing_ok=True)


def restore(database: Tools, file: Path, column: Column, otherwise: str) -> Restored:
    """Fill a column that is there again, and empty. Users go on meanwhile; run again, it does what is left. Raises UsageError, DatabaseFailed."""
    words = {
        "table": column.table,
        "column": column.name,
        "otherwise": Column.named(f"{column.table}.{otherwise}").name,
        "batch": BATCH - 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        text, script = Path(folder) / "dump.sql", Path(folder) / "load.sql"
        database.tool(["pg_restore", "--data-only", f"--table={column.table}", "--file=-"], stdin=file, stdout=text)
        _rewrite(text, script, column)
        database.psql("DROP SCHEMA IF EXISTS restored CASCADE")
        database.psql("CREATE SCHEMA restored")
        try:
            database.tool(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"], stdin=script)
            database.psql(f"CREATE INDEX ON restored.{column.table} (id)")
            database.psql(FILL.format(**words))
            [found] = database.psql(COUNT.format(**words))
        finally:
            database.psql("DROP SCHEMA IF EXISTS restored CASCADE")
    return Restored(int(found["dumped"]), int(found["since"]))


def _rewrite(dumped: Path, script: Path, column: Column) -> None:
    """The table's rows, into a table of the same name in the schema `restored`. Only the head of the data is read as SQL."""
    with dumped.open("rb") as lines, script.open("wb") as out:
        head = next((match for line in lines if (match := COPY.match(line.rstrip())) and match[1].decode() == column.table), None)
        names = [name.strip() for name in head[2].decode().split(",")] if head else []
        if column.name not in names:
            raise UsageError(f"The dump has no column {column.table}.{column.name}.", remedy="Name a dump from before the contract step.")
        out.write(f"CREATE UNLOGGED TABLE restored.{column.table} ({', '.join(f'{name} text' for name in names)});\n".encode())
        out.write(f"COPY restored.{column.table} ({', '.join(names)}) FROM stdin;\n".encode())
        for line in lines:
            out.write(line)
            if line == b"\\.\n":
                return
    raise DatabaseFailed(f"The dump of {column.table} breaks off.")
