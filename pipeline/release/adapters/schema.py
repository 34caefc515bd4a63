"""What a database says of its own schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from release.window import Schema

TABLES = "SELECT to_regclass('alembic_version') IS NOT NULL AS revision, to_regclass('schema_window') IS NOT NULL AS floor"


def read(psql: Callable[[str], Sequence[Mapping[str, str]]]) -> Schema | None:
    """None: it was never migrated. `psql` answers one statement, every value as text; raises what it raises."""
    [there] = psql(TABLES)
    revisions = psql("SELECT version_num FROM alembic_version") if there["revision"] == "t" else []
    if not revisions:
        return None
    floors = psql("SELECT floor FROM schema_window") if there["floor"] == "t" else []
    return Schema(revisions[0]["version_num"], floors[0]["floor"] if floors else None)
