"""release flag list, set, kill, freeze, unfreeze, export, import."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from release import errors
from release import events as e
from release.commands.common import open_environment
from release.commands.rollouts import reason_option
from release.environment import Environment
from release.ports import FlagsState
from release.say import Commands, env_option, err, json_option, out
from release.say import as_json as print_json

CHANGES_SHOWN = 3


@click.group(cls=Commands)
def flag() -> None:
    """Feature flags at run time. A kill takes effect within a quarter of a second and is always allowed.

    \b
    release flag list
    release flag set pricing-v2 --percentage 10 --reason "start with a tenth"
    release flag kill pricing-v2 --reason "totals are wrong"

    Who is asked for is in the token: SLIPWAY_OPS_TOKEN, else the environment's own.
    """


def add_to(group: click.Group) -> None:
    group.add_command(flag)


@flag.command(name="list")
@env_option
@json_option
def list_(env: str, as_json: bool) -> None:
    """All flags, whether they are frozen, and the newest changes: who, when, why.

    \b
    release flag list
    release flag list --json
    """
    environment = open_environment(env, quiet=True)
    state = environment.flags.list(serving(environment))
    if as_json:
        print_json({"env": env, **as_data(state)})
    else:
        show_data(as_data(state))


@flag.command(name="set")
@click.argument("name", metavar="FLAG")
@env_option
@click.option("--percentage", type=click.IntRange(0, 100), help="This share of users gets the variant; the rest, the default.")
@click.option("--variant", default="on", show_default=True, help="With --percentage: which variant.")
@click.option("--default", "default_variant", metavar="VARIANT", help="What everyone else gets.")
@click.option("--enable/--disable", "enabled", default=None, help="Off means: the code's own default for everybody.")
@reason_option
@json_option
def set_(
    name: str,
    env: str,
    percentage: int | None,
    variant: str,
    default_variant: str | None,
    enabled: bool | None,
    reason: str,
    as_json: bool,
) -> None:
    """Change a flag for users, at once. Refused while flags are frozen.

    \b
    release flag set pricing-v2 --percentage 10 --reason "start with a tenth"
    release flag set pricing-v2 --default on --percentage 100 --reason "for everyone"
    release flag set pricing-v2 --enable --reason "the fix is out"
    """
    changes: dict[str, Any] = {}
    words = []
    if enabled is not None:
        changes["state"] = "ENABLED" if enabled else "DISABLED"
        words.append("enabled" if enabled else "disabled")
    if default_variant is not None:
        changes["default_variant"] = default_variant
        words.append(f"default {default_variant}")
    if percentage is not None:
        changes["percentage"] = {"variant": variant, "percentage": percentage}
        words.append(f"{variant} for {percentage} % of users")
    if not changes:
        raise errors.UsageError(
            "Nothing to change.", remedy="Give --percentage, --default, --enable or --disable; see `release flag --help`."
        )
    environment = open_environment(env, quiet=True)
    environment.flags.set(serving(environment), name, reason, changes)
    record(environment, e.FlagSet(name, ", ".join(words), reason))
    _said(env, f"{name}: {', '.join(words)}", as_json)


@flag.command()
@click.argument("name", metavar="FLAG")
@env_option
@reason_option
@json_option
def kill(name: str, env: str, reason: str, as_json: bool) -> None:
    """Off for everybody, at once: the code's own default holds. Also while flags are frozen; killed twice is killed.

    \b
    release flag kill pricing-v2 --reason "totals are wrong since 14:02"
    """
    environment = open_environment(env, quiet=True)
    flags, asked_s = environment.flags, environment.clock.monotonic()
    _of_any(environment, lambda digest: flags.kill(digest, name, reason))
    killed_s = environment.clock.monotonic()
    record(environment, e.FlagKilled(name, reason, killed_s))
    _said(
        env, f"{name} is killed, {1000 * (killed_s - asked_s):.0f} ms after it was asked for", as_json, took_s=round(killed_s - asked_s, 4)
    )


def _of_any(environment: Environment, ask: Callable[[str], None]) -> None:
    """Of what serves; if that does not answer, of any release that is warm: all have the same flags."""
    state = environment.state()
    canary = state.rollout.digest if state.rollout else None
    known = [digest for digest in dict.fromkeys((state.baseline, canary, *state.pinned)) if digest]
    for last, digest in enumerate(known, start=1 - len(known)):
        try:
            return ask(digest)
        except errors.FlagsAway:
            if last == 0:
                raise
    raise errors.FlagsAway("Nothing serves.", remedy="`make up` starts the store.")


@flag.command()
@env_option
@reason_option
@json_option
def freeze(env: str, reason: str, as_json: bool) -> None:
    """Refuse every change of flags but a kill. `release freeze` does this, too.

    \b
    release flag freeze --reason "incident 7"
    """
    environment = open_environment(env, quiet=True)
    environment.flags.freeze(serving(environment), reason)
    record(environment, e.FlagsFrozen(reason))
    _said(env, f"flags are frozen: {reason}", as_json)


@flag.command()
@env_option
@reason_option
@json_option
def unfreeze(env: str, reason: str, as_json: bool) -> None:
    """Allow changes of flags again, and nothing else; `release unfreeze` allows rollouts, too.

    \b
    release flag unfreeze --reason "cause found"
    """
    environment = open_environment(env, quiet=True)
    environment.flags.unfreeze(serving(environment), reason)
    record(environment, e.FlagsUnfrozen(reason))
    _said(env, "flags may be changed again", as_json)


@flag.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@env_option
def export(file: Path | None, env: str) -> None:
    """All definitions in flagd's JSON form, to FILE or stdout.

    \b
    release flag export flags.json
    """
    environment = open_environment(env, quiet=True)
    text = json.dumps(environment.flags.definitions(serving(environment)), indent=2) + "\n"
    if file is None:
        print(text, end="")
    else:
        file.write_text(text, encoding="utf-8")
        err.print(f"written to {file}", markup=False)


@flag.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@env_option
@reason_option
@json_option
def import_(file: Path, env: str, reason: str, as_json: bool) -> None:
    """Take definitions over from a file in flagd's JSON form: all of them, or none if one is bad.

    \b
    release flag import flags.json --reason "as in staging"
    """
    environment = open_environment(env, quiet=True)
    changed = environment.flags.take_over(serving(environment), _flags_of(file), reason)
    for name in changed:
        record(environment, e.FlagSet(name, f"imported from {file.name}", reason))
    _said(env, f"changed: {', '.join(changed) or 'nothing'}", as_json, changed=list(changed))


def _flags_of(file: Path) -> Mapping[str, Any]:
    """Raises UsageError; whether each definition is good is the API's to say."""
    try:
        flags = json.loads(file.read_text(encoding="utf-8"))["flags"]
    except (ValueError, LookupError, TypeError, OSError) as problem:
        raise errors.UsageError(
            f"{file} has no `flags`: {problem!r}", remedy='It should be flagd\'s form, `{"flags": {KEY: {...}}}`.'
        ) from problem
    if not isinstance(flags, dict):
        raise errors.UsageError(f"`flags` of {file} should be an object.", remedy="`release flag export` shows the form.")
    return flags


# What `release status`, `freeze` and `unfreeze` use, too.


def serving(environment: Environment) -> str:
    """The release that is asked. Raises FlagsAway."""
    baseline = environment.state().baseline
    if baseline is None:
        raise errors.FlagsAway("Nothing serves.", remedy="`make up` starts the store.")
    return baseline


def record(environment: Environment, event: e.Event) -> None:
    """What has been done is done, also where the ledger is damaged."""
    try:
        environment.note(event)
    except errors.LedgerDamaged as problem:
        err.print(f"Not in the ledger: {problem.what}", markup=False)


def as_data(state: FlagsState) -> dict[str, Any]:
    return {
        "version": state.version,
        "frozen": state.frozen,
        "flags": [vars(one) | {"in_words": in_words(one.definition, killed=one.killed)} for one in state.flags],
        "changes": [vars(one) for one in state.changes],
    }


def show_data(state: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("flag", "users get", "kind", "expires"):
        table.add_column(column)
    for one in state["flags"]:
        about = one["definition"].get("metadata", {})
        table.add_row(one["key"], one["in_words"], about.get("kind", ""), f"{about.get('expires', '')}{'  stale' if one['stale'] else ''}")
    out.print(table)
    if state["frozen"]:
        out.print(
            f"flags frozen by {state['frozen']['actor']}: {state['frozen']['reason']}  (release unfreeze --reason TEXT)", markup=False
        )
    for change in state["changes"][:CHANGES_SHOWN]:
        out.print(f"{_when(change['at'])}  {_change(change)}", markup=False)


def _when(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _change(change: Mapping[str, Any]) -> str:
    if change["flag"] is None:
        what = change["action"].replace("_", " ")
    else:
        what = f"{change['flag']}: {_words(change['old'])} → {_words(change['new'])}"
    return f"{change['actor']}: {what}: {change['reason']}"


def _words(definition: Any) -> str:
    return in_words(definition, killed=False) if isinstance(definition, dict) else "none"


def in_words(definition: Mapping[str, Any], *, killed: bool) -> str:
    """`on for 10 %, else off`; rules that say more are named as such."""
    if killed or definition.get("state") == "DISABLED":
        return "the code's default (killed)"
    default, targeting = definition.get("defaultVariant"), definition.get("targeting") or {}
    parts = targeting.get("fractional") if isinstance(targeting, dict) and len(targeting) == 1 else None
    if not targeting:
        return str(default)
    pairs = [part for part in parts or [] if isinstance(part, list) and len(part) == 2]
    if not pairs:
        return f"by rule, else {default}"
    total = sum(share for _, share in pairs) or 1
    return ", ".join(f"{variant} for {100 * share / total:g} %" for variant, share in pairs)


def _said(env: str, text: str, as_json: bool, **more: object) -> None:
    if as_json:
        print_json({"env": env, "done": text, **more})
    else:
        out.print(text, markup=False)
