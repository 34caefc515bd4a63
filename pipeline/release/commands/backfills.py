"""release backfill: fill in what an expand step has brought, beside users."""

from __future__ import annotations

import json

import click

from release.commands.common import open_environment
from release.commands.flags import serving
from release.say import as_json as print_json
from release.say import env_option, json_option, out


def add_to(group: click.Group) -> None:
    group.add_command(backfill)


@click.command()
@env_option
@click.option("--dry-run", is_flag=True, help="Count what would be filled in and what can't be, and write nothing.")
@json_option
def backfill(env: str, dry_run: bool, as_json: bool) -> None:
    """Give orders of before the discount code of their coupon, by the backfill of the release that serves.

    It works in small transactions, gives way when the store's users wait, and may be ended at any time: run again, it goes on where it
    was. A contract step is refused until it has come to its end.

    \b
    release backfill --dry-run
    release backfill --env production
    """
    environment = open_environment(env, quiet=as_json)
    release = environment.artifacts.verify(serving(environment))
    said = environment.place.runtime.backfill(release, [*(["--dry-run"] if dry_run else []), *(["--json"] if as_json else [])])
    if as_json:
        print_json({"env": env, **json.loads(said)})
    else:
        out.print(said, markup=False)
