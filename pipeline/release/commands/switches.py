"""release freeze, unfreeze, quarantine, ledger repair."""

from __future__ import annotations

import click

from release import errors
from release import events as e
from release.artifact import checked
from release.commands.common import open_environment
from release.commands.flags import serving
from release.commands.rollouts import reason_option
from release.home import short
from release.narrate import sentence
from release.say import as_json as print_json
from release.say import env_option, json_option, out


def add_to(group: click.Group) -> None:
    for command in (freeze, unfreeze, quarantine, ledger):
        group.add_command(command)


@click.command()
@env_option
@reason_option
@json_option
def freeze(env: str, reason: str, as_json: bool) -> None:
    """Refuse new rollouts and changes of flags. Abort, rollback and kill stay allowed."""
    _note(env, e.Frozen(reason), f"frozen: {reason}", as_json, flags=_freeze_flags(env, reason))


@click.command()
@env_option
@reason_option
@json_option
def unfreeze(env: str, reason: str, as_json: bool) -> None:
    """Allow rollouts and changes of flags again."""
    _note(env, e.Unfrozen(reason), f"unfrozen: {reason}", as_json, flags=_unfreeze_flags(env, reason))


def _freeze_flags(env: str, reason: str) -> e.Event:
    environment = open_environment(env, quiet=True)
    try:
        environment.flags.freeze(serving(environment), reason)
    except errors.SlipwayError as problem:
        return e.FlagFreezeFailed(problem.what)
    return e.FlagsFrozen(reason)


def _unfreeze_flags(env: str, reason: str) -> e.Event:
    environment = open_environment(env, quiet=True)
    try:
        environment.flags.unfreeze(serving(environment), reason)
    except errors.SlipwayError as problem:
        return e.FlagUnfreezeFailed(problem.what)
    return e.FlagsUnfrozen(reason)


@click.command()
@click.argument("digest", required=False)
@env_option
@click.option("--lift", metavar="DIGEST", help="Allow this digest again.")
@click.option("--cause", help="With --lift: the root cause that was found.")
@click.option("--reason", help="With DIGEST: why it may not be deployed.")
@json_option
def quarantine(digest: str | None, env: str, lift: str | None, cause: str | None, reason: str | None, as_json: bool) -> None:
    """Forbid a digest, or lift its quarantine. Without arguments: list.

    \b
    release quarantine sha256:4f… --reason "wrong prices"
    release quarantine --lift sha256:4f… --cause "rounding, fixed in 1c2d3e4"
    """
    if lift is not None:
        if not cause:
            raise errors.UsageError("--lift needs --cause TEXT.", remedy="Say what the root cause was; it goes into the ledger.")
        if not open_environment(env, quiet=True).state().is_quarantined(checked(lift)):
            raise errors.UnknownDigest(f"{lift} is not quarantined.", remedy="`release quarantine` lists what is.")
        _note(env, e.QuarantineLifted(lift, cause), f"{short(lift)} may be deployed again", as_json)
    elif digest is not None:
        if not reason:
            raise errors.UsageError("Quarantine needs --reason TEXT.")
        _note(env, e.Quarantined(checked(digest), reason), f"{short(digest)} is quarantined", as_json)
    else:
        _list(env, as_json)


def _list(env: str, as_json: bool) -> None:
    held = dict(open_environment(env, quiet=True).state().quarantined)
    if as_json:
        print_json({"env": env, "quarantined": held})
        return
    for digest, reason in held.items():
        out.print(f"{digest}  {reason}", markup=False)
    if not held:
        out.print("Nothing is quarantined.")


def _note(env: str, event: e.Event, text: str, as_json: bool, flags: e.Event | None = None) -> None:
    environment = open_environment(env, quiet=True)
    environment.state()  # a damaged ledger gets no more entries
    for one in (event, flags):
        if one is not None:
            environment.note(one)
    if as_json:
        print_json({"env": env, "done": e.name_of(type(event)), **({"flags": e.name_of(type(flags))} if flags else {})})
        return
    out.print(text, markup=False)
    if flags:
        out.print(sentence(flags), markup=False)


@click.group()
def ledger() -> None:
    """Check or mend the ledger."""


@ledger.command()
@env_option
@json_option
def check(env: str, as_json: bool) -> None:
    """Verify the whole chain."""
    entries = open_environment(env, quiet=True).ledger.entries()
    if as_json:
        print_json({"env": env, "entries": len(entries), "intact": True})
    else:
        out.print(f"{len(entries)} entries, intact.")


@ledger.command()
@env_option
@reason_option
@json_option
def repair(env: str, reason: str, as_json: bool) -> None:
    """Set the damaged part aside (it is kept beside the ledger) and go on from the last good entry."""
    environment = open_environment(env, quiet=True)
    repaired = environment.ledger.repair(reason)
    if as_json:
        print_json({"env": env, "repaired": repaired is not None, "line": repaired.line if repaired else None})
    elif repaired is None:
        out.print("Nothing to repair: the ledger is intact.")
    else:
        out.print(f"Lines from {repaired.line} on are now in {repaired.aside}. `release history` shows what still holds.", markup=False)
