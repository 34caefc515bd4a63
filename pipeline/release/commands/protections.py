"""release protect."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from release.protect import requests
from release.say import as_json as print_json
from release.say import err, json_option, out


def add_to(group: click.Group) -> None:
    group.add_command(protect)


@click.command()
@click.option(
    "--reviewer", "logins", multiple=True, metavar="LOGIN", help="Who may say yes to production; up to six. Asked of GitHub by --apply."
)
@click.option("--apply", is_flag=True, help="Tell GitHub, with gh. Without: only print.")
@json_option
def protect(logins: tuple[str, ...], apply: bool, as_json: bool) -> None:
    """What GitHub must know so that nobody can go round the pipeline: main, its environments, security.

    \b
    release protect
    release protect --reviewer ada --reviewer grace --apply
    """
    if len(logins) > 6:
        raise click.BadParameter("GitHub takes at most six", param_hint="--reviewer")
    numbers = [_number(login) for login in logins] if apply else list(range(1, len(logins) + 1))
    wanted = requests(numbers)
    if apply:
        from release.adapters.github import send

        for request in wanted:
            send(request)
            err.print(f"done: {request.why}", markup=False)
    if as_json:
        print_json({"applied": apply, "requests": [asdict(request) for request in wanted]})
    elif not apply:
        for request in wanted:
            out.print(f"# {request.why}\n{request.method} {request.path}\n{json.dumps(request.body, indent=2)}\n", markup=False)
        if logins:
            err.print("The ids of reviewers are asked of GitHub by --apply; here they stand for the names in their order.")
    if not logins:
        err.print("Nobody is asked before production: name people with --reviewer.")


def _number(login: str) -> int:
    from release.adapters.github import user_number

    return user_number(login)
