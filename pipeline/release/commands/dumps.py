"""release dump, restore: before a contract step, and when it was a mistake."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from release import errors
from release.adapters import dumps
from release.adapters.dumps import Column
from release.artifact import Release
from release.commands.common import open_environment
from release.environment import Environment
from release.events import ColumnRestored
from release.home import short
from release.say import as_json as print_json
from release.say import env_option, json_option, out


def add_to(group: click.Group) -> None:
    for command in (dump, restore):
        group.add_command(command)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@env_option
@json_option
def dump(file: Path | None, env: str, as_json: bool) -> None:
    """A copy of the whole database in FILE, while users go on; before a contract step. Default: dumps/TIME.dump of the environment.

    \b
    release dump --env production
    release dump before-0005.dump
    """
    environment = open_environment(env, quiet=as_json)
    if environment.state().baseline is None:
        raise errors.NotUp(f"The environment {env} has no database yet.")
    file = file or environment.folder / "dumps" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.dump"
    started_s = time.monotonic()
    environment.database.ensure()
    dumps.dump(environment.database, file)
    took_s, size = time.monotonic() - started_s, file.stat().st_size
    if as_json:
        print_json({"env": env, "file": str(file), "bytes": size, "took_s": round(took_s, 3)})
    else:
        out.print(
            f"{file}: {size / 1e6:,.1f} MB in {took_s:.1f} s. It holds what your users told you: keep it as the database itself.",
            markup=False,
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--column", required=True, metavar="TABLE.COLUMN", help="What the contract step removed.")
@click.option("--otherwise", required=True, metavar="COLUMN", help="What rows that were written since have instead.")
@env_option
@json_option
def restore(file: Path, column: str, otherwise: str, env: str, as_json: bool) -> None:
    """Undo the last contract step: the column is there again, with what the dump has, and what was written since is kept.

    The schema goes back by the step's own way down, which every warm release must be able to run on; then the column is filled in small
    transactions. Users go on meanwhile. If it is ended, run it again.

    \b
    release restore before-0005.dump --column orders.coupon --otherwise discount_code
    """
    environment, wanted = open_environment(env, quiet=as_json), Column.named(column)
    if not file.is_file():
        raise errors.UsageError(f"There is no file {file}.", remedy="`release dump` makes one, before a contract step.")
    started_s = time.monotonic()
    with environment.locked("release restore"):
        there = environment.state()
        if there.rollout is not None:
            raise errors.RolloutInProgress("A rollout is in progress.")
        revision = _back(environment, wanted)
        column_s = time.monotonic() - started_s
        done = dumps.restore(environment.database, file, wanted, otherwise)
    took_s = time.monotonic() - started_s
    environment.note(ColumnRestored(column, revision, done.from_dump, done.written_since, took_s))
    if as_json:
        print_json(
            {"env": env, "column": column, "schema": revision, **done._asdict(), "column_s": round(column_s, 3), "took_s": round(took_s, 3)}
        )
    else:
        out.print(f"{column} is back after {column_s:.1f} s, filled after {took_s:.1f} s; the schema is {revision}.", markup=False)
        out.print(f"  {done.from_dump:,} values from the dump, {done.written_since:,} from {otherwise} of rows written since", markup=False)


def _back(environment: Environment, column: Column) -> str:
    """The revision before the contract step; the column is there again. Raises OutsideWindow, UsageError."""
    state, runtime = environment.state(), environment.world.runtime
    warm = [environment.artifacts.verify(digest) for digest in (state.baseline, *state.pinned) if digest]
    schema = runtime.schema()
    if not warm or schema is None:
        raise errors.NotUp(f"The environment {environment.name} has no release yet.")
    columns = f"SELECT 1 AS yes FROM information_schema.columns WHERE table_name = '{column.table}' AND column_name = '{column.name}'"  # noqa: S608 - names
    there = environment.database.psql(columns)
    if there:
        return schema.revision
    release = warm[0]
    before = _before(release, schema.revision)
    stuck = [short(one.digest) for one in warm if before not in one.runs_on]
    if stuck:
        raise errors.OutsideWindow(f"The schema would go back to {before}, on which {' and '.join(stuck)} could not run.")
    runtime.downgrade(release, before)
    return before


def _before(release: Release, revision: str) -> str:
    """The revision that the last contract step was taken from: the newest earlier one that the release was made for."""
    earlier = [one for one in release.runs_on if one < revision]
    if revision not in release.contracts or not earlier:
        raise errors.UsageError(
            f"{short(release.digest)} has taken no contract step to {revision} that it could go back from.",
            remedy="`release history` shows what was deployed; name the column that its contract step removed.",
        )
    return earlier[-1]
