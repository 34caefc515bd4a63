"""release scan, release advisories."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table

from release import errors
from release.adapters import advisories as data
from release.artifact import checked
from release.commands.common import open_environment
from release.home import Home, short
from release.say import as_json as print_json
from release.say import env_option, err, json_option, out
from release.scan import ECOSYSTEMS, Rules, Scan, parts, scan
from release.yamlfile import load

OLD_DAYS = 7.0


def add_to(group: click.Group) -> None:
    for command in (scan_command, advisories):
        group.add_command(command)


@click.command(name="scan")
@click.argument("digest")
@env_option
@json_option
def scan_command(digest: str, env: str, as_json: bool) -> None:
    """Known vulnerabilities and unwanted licences of what is in a release, by its signed SBOM.

    Asks no network: advisories lie in var/advisories, or where SLIPWAY_ADVISORIES says. pipeline/scan.yaml has the rules.

    \b
    release advisories
    release scan sha256:4f…
    """
    environment = open_environment(env, quiet=True)
    rules = load(environment.home.root / "pipeline" / "scan.yaml", Rules, errors.BadPolicy)
    environment.artifacts.verify(checked(digest))
    found = scan(parts(environment.artifacts.sbom(digest)), data.read(environment.home.advisories), rules.licences_denied)
    now = datetime.now(UTC)
    standing = [one for one in (*found.vulnerabilities, *found.licences) if rules.stands(one, now.date())]
    answer = {**_numbers(found, now), "digest": digest, "findings": [asdict(one) for one in standing]}
    if not as_json:
        _print(answer)
    elif not standing:
        print_json(answer)
    if standing:
        raise errors.Weak(
            f"{short(digest)} has {len(standing)} findings: {', '.join(f'{one.part} {one.version} {one.what}' for one in standing[:20])}."
        )


def _numbers(found: Scan, now: datetime) -> dict[str, Any]:
    age = found.age_days(now)
    return {
        "parts": found.parts,
        "unasked": found.unasked,
        "unlicensed": found.unlicensed,
        "advisories": found.advisories,
        "data_age_days": None if age is None else round(age, 1),
    }


def _print(answer: dict[str, Any]) -> None:
    age = answer["data_age_days"]
    out.print(f"{answer['parts']} parts against {answer['advisories']} advisories; the youngest is {age} days old", markup=False)
    if age is None or age > OLD_DAYS:
        err.print("  that is old: `release advisories` fetches today's", markup=False)
    out.print(
        f"  {answer['unasked']} parts are of a system that is not compared here; {answer['unlicensed']} name no licence", markup=False
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("part", "version", "what", "summary"):
        table.add_column(column)
    for one in answer["findings"]:
        table.add_row(one["part"], one["version"], one["what"], one["summary"])
    if answer["findings"]:
        out.print(table)
    else:
        out.print("  nothing found", markup=False)


@click.command()
@json_option
def advisories(as_json: bool) -> None:
    """Fetch the advisories of all packages from osv.dev: some ten megabytes."""
    home = Home.find()
    data.fetch(home.advisories, sorted(ECOSYSTEMS.values()))
    if as_json:
        print_json({"folder": str(home.advisories)})
    else:
        out.print(f"{home.advisories} is as of today.", markup=False)
