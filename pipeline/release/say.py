"""How commands speak: one JSON object, or text; errors with what, next step, page and exit code. Results go to stdout, progress to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click
from rich.console import Console

from release.errors import Interrupted, SlipwayError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def as_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value, indent=None, sort_keys=False, default=str), flush=True)


def fail(error: SlipwayError, *, json_wanted: bool) -> NoReturn:
    if json_wanted:
        as_json(error.as_json())
    err.print(f"[bold red]{type(error).__name__}[/]:", end=" ")
    err.print(error.what, markup=False)
    if error.remedy:
        err.print("  next:", error.remedy, markup=False)
    err.print(f"  page: runbooks/{error.runbook}", markup=False)
    sys.exit(error.exit_code)


class Commands(click.Group):
    """A group whose commands may raise SlipwayError."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SlipwayError as error:
            fail(error, json_wanted="--json" in sys.argv)
        except KeyboardInterrupt:
            fail(Interrupted("Interrupted."), json_wanted="--json" in sys.argv)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress goes to stderr.")
env_option = click.option(
    "--env",
    "env",
    default="local",
    show_default=True,
    envvar="SLIPWAY_ENV",
    callback=lambda _c, _p, value: _plain(value),
    help="The environment.",
)


def _plain(name: str) -> str:
    if not name or not all(part.isalnum() or part in "-_" for part in name) or len(name) > 60:
        raise click.BadParameter("letters, digits, - and _ only, at most 60")
    return name
