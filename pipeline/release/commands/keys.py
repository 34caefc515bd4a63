"""release keys."""

from __future__ import annotations

from pathlib import Path

import click

from release import errors
from release.adapters import keys as stored
from release.home import Home, short
from release.housekeeping import hanging_on
from release.say import as_json as print_json
from release.say import json_option, out


def add_to(group: click.Group) -> None:
    group.add_command(keys)


@click.group()
def keys() -> None:
    """Which key signs releases here, and which are trusted.

    \b
    release keys rotate                     a new key signs; the old one stays trusted
    release keys trust builder.pub          accept releases of another machine
    release keys retire 1a2b3c4d5e6f        refuse what only that key signed
    """


@keys.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """The trusted keys, the one that signs first."""
    folder = Home.find().keys
    stored.signing_key(folder)
    known = {stored.key_id(key): key == stored.trusted_key(folder) for key in stored.trusted_keys(folder).values()}
    if as_json:
        print_json({"keys": [{"id": name, "signs": signs} for name, signs in known.items()]})
        return
    for name, signs in known.items():
        out.print(f"{name}  {'signs, trusted' if signs else 'trusted'}", markup=False)


@keys.command()
@json_option
def rotate(as_json: bool) -> None:
    """Make a new key that signs from now on. The old one stays trusted until it is retired; its private half is gone."""
    old, new = stored.rotate(Home.find().keys)
    if as_json:
        print_json({"signs": stored.key_id(new), "trusted": stored.key_id(old)})
        return
    out.print(f"{stored.key_id(new)} signs from now on; {stored.key_id(old)} stays trusted.", markup=False)
    out.print(f"  when no warm release hangs on it: release keys retire {stored.key_id(old)}", markup=False)


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def trust(file: Path, as_json: bool) -> None:
    """Accept releases that the owner of this public key signed. Whose key it is, you must know from elsewhere."""
    name = stored.trust(Home.find().keys, stored.read_public(file))
    if as_json:
        print_json({"trusted": name})
    else:
        out.print(f"{name} is trusted.", markup=False)


@keys.command()
@click.argument("key")
@click.option("--compromised", is_flag=True, help="Also if warm releases hang on it: then they must be built anew.")
@json_option
def retire(key: str, compromised: bool, as_json: bool) -> None:
    """Refuse from now on what only this key signed. What runs goes on running; a rollback to a warm release needs no signature."""
    home = Home.find()
    hanging = hanging_on(home, key)
    if hanging and not compromised:
        raise errors.KeyInUse(f"No other trusted key signed {', '.join(map(short, hanging))}, and they are warm.")
    stored.retire(home.keys, key)
    if as_json:
        print_json({"retired": key, "refused": list(hanging)})
        return
    out.print(f"{key} is no longer trusted.", markup=False)
    for digest in hanging:
        out.print(f"  build anew, from its commit: {digest}", markup=False)
