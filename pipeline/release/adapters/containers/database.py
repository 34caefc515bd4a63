"""The environment's PostgreSQL as the service `postgres`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from release.adapters.containers.docker import CommandFailed
from release.adapters.containers.project import Project
from release.errors import DatabaseFailed

DATABASE = "store"


class PostgresContainer:
    """Implements `environment.Database`."""

    def __init__(self, project: Project) -> None:
        self.project = project

    @property
    def url(self) -> str:
        """How a person reaches it: it is not published."""
        return f"docker compose --project-name {self.project.name} exec postgres psql -U {DATABASE}"

    def ensure(self) -> str:
        """Raises DatabaseFailed."""
        try:
            self.project.compose("up", "--detach", "--wait", "postgres")
        except CommandFailed as problem:
            raise DatabaseFailed(f"PostgreSQL's container does not get ready: {problem}") from problem
        return self.url

    def stop(self) -> None:
        container = self.project.service("postgres")
        if container:
            self.project.docker.end(container["Id"], 10)

    def tool(self, argv: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None) -> None:
        """One of PostgreSQL's programs, in the container. Raises DatabaseFailed."""
        where = () if argv[0] == "pg_restore" else ("-U", DATABASE, "-d", DATABASE)
        try:
            self.project.compose_files(("exec", "--no-TTY", "postgres", argv[0], *where, *argv[1:]), stdin, stdout)
        except CommandFailed as problem:
            raise DatabaseFailed(f"{argv[0]}: {problem}") from problem

    def psql(self, sql: str) -> list[dict[str, str]]:
        """Rows of one statement, every value as text. Raises DatabaseFailed."""
        try:
            said = self.project.compose("exec", "--no-TTY", "postgres", "psql", "-X", "--csv", "-U", DATABASE, "-d", DATABASE, "-c", sql)
        except CommandFailed as problem:
            raise DatabaseFailed(f"psql failed: {problem}") from problem
        return list(csv.DictReader(io.StringIO(said)))
