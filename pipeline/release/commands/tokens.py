"""release token create, revoke, list: who may do what with flags. Made by the release's own command, on its own database."""

from __future__ import annotations

import json

import click

from release.commands.common import open_environment
from release.commands.flags import serving
from release.say import Commands, env_option, json_option, out
from release.say import as_json as print_json

SCOPES = ("flags:read", "flags:write", "flags:kill", "flags:freeze")


@click.group(cls=Commands)
def token() -> None:
    """Tokens of the ops API. A token is shown once; its name stands in the record of every change.

    \b
    release token create --name "on-call" --scope flags:read --scope flags:kill --expires-days 30
    release token list
    release token revoke 0123456789abcdef
    """


def add_to(group: click.Group) -> None:
    group.add_command(token)


@token.command()
@env_option
@click.option("--name", required=True, help="Whose it is.")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, required=True, help="What it allows; again for more.")
@click.option("--expires-days", type=click.IntRange(1, 366), default=30, show_default=True)
@json_option
def create(env: str, name: str, scopes: tuple[str, ...], expires_days: int, as_json: bool) -> None:
    """Make a token, and show it: this once.

    \b
    release token create --name "on-call" --scope flags:read --scope flags:kill
    """
    words = ["create", "--name", name, *(word for scope in scopes for word in ("--scope", scope)), "--expires-days", str(expires_days)]
    _do(env, words, as_json)


@token.command()
@click.argument("token_id", metavar="ID")
@env_option
@json_option
def revoke(token_id: str, env: str, as_json: bool) -> None:
    """End a token, now. ID is its part between the first two `_`.

    \b
    release token revoke 0123456789abcdef
    """
    _do(env, ["revoke", token_id], as_json)


@token.command(name="list")
@env_option
@json_option
def list_(env: str, as_json: bool) -> None:
    """All tokens, never their secrets."""
    _do(env, ["list"], as_json)


def _do(env: str, words: list[str], as_json: bool) -> None:
    environment = open_environment(env, quiet=True)
    release = environment.artifacts.verify(serving(environment))
    said = environment.place.runtime.tokens(release, [*words, *(["--json"] if as_json else [])])
    if not as_json:
        out.print(said, markup=False)
        return
    answer = json.loads(said)
    print_json({"env": env, **(answer if isinstance(answer, dict) else {"tokens": answer})})
