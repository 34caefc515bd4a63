"""What a database says of its own schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from release.window import Schema

TABLES = "SELECT to_regclass('alembic_version') IS NOT NULL AS revision, to_regclass('schema_window') IS NOT NULL AS floor"
# The same migration brought both tables.
WITH_FLOOR = """SELECT version_num AS revision, (SELECT floor FROM schema_window) AS floor,
(SELECT string_agg(name, ' ' ORDER BY name) FROM backfills WHERE finished_at IS NULL) AS unfinished FROM alembic_version"""
BEFORE_FLOORS = "SELECT version_num AS revision, NULL AS floor, NULL AS unfinished FROM alembic_version"


def read(psql: Callable[[str], Sequence[Mapping[str, str]]]) -> Schema | None:
    """None: it was never migrated. `psql` answers one statement, every value as text; raises what it raises."""
    [there] = psql(TABLES)
    if there["revision"] != "t":
        return None
    rows = psql(WITH_FLOOR if there["floor"] == "t" else BEFORE_FLOORS)
    return Schema(rows[0]["revision"], rows[0]["floor"] or None, tuple(rows[0]["unfinished"].split())) if rows else None
