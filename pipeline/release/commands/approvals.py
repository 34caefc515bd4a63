"""release approve, approvals: two people say yes to what can't be taken back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from release import approvals as rules
from release import errors, window
from release.adapters import approvers
from release.approved import policy_needs
from release.artifact import checked
from release.commands.common import open_environment, runtime_option
from release.environment import Environment
from release.events import ChangeApproved
from release.places import RuntimeName
from release.say import as_json as print_json
from release.say import env_option, json_option, out

POLICY = "policy"


def add_to(group: click.Group) -> None:
    for command in (approve, approvals):
        group.add_command(command)


@click.command()
@click.argument("what", metavar="DIGEST|policy")
@env_option
@click.option("--key", type=click.Path(path_type=Path), help="Your SSH key; ssh-keygen signs with it.")
@click.option("--signature", type=click.Path(path_type=Path), help="Or: what ssh-keygen made of it elsewhere.")
@click.option("--print", "shown", is_flag=True, help="Or: print what is to be signed.")
@json_option
def approve(what: str, env: str, key: Path | None, signature: Path | None, shown: bool, as_json: bool) -> None:
    """Say yes to the contract steps of a release, or to the present policy file, in one environment.

    Your key must stand in pipeline/approvers. What you signed goes into the ledger.

    \b
    release approve sha256:4f… --env production --key ~/.ssh/id_ed25519
    release approve policy --env production --print > change.txt
    ssh-keygen -Y sign -n slipway -f ~/.ssh/id_ed25519 change.txt
    release approve policy --env production --signature change.txt.sig
    """
    if sum(map(bool, (key, signature, shown))) != 1:
        raise errors.UsageError("One of --key, --signature and --print is needed.", remedy="`release approve --help` has examples.")
    environment = open_environment(env, quiet=as_json)
    change = _change(environment, what)
    if change is None:
        raise errors.UsageError("There is nothing to approve: this release has no contract step that is still to be taken here.", remedy="")
    if shown:
        sys.stdout.write(rules.message(change, env).decode())
        return
    signed = approvers.sign(change, env, key) if key else _read(signature)
    approval = environment.approvers.verify(change, signed)
    environment.note(ChangeApproved(change, approval.people[0], signed))
    if as_json:
        print_json({"env": env, "change": change, "approved_by": approval.people[0]})
    else:
        out.print(f"{approval.people[0]} has approved “{change}” in {env}.", markup=False)


def _read(signature: Path | None) -> str:
    assert signature is not None
    try:
        return signature.read_text(encoding="ascii")
    except (OSError, ValueError) as problem:
        raise errors.BadApproval(f"{signature} is no signature: {problem}") from problem


@click.command()
@env_option
@runtime_option
@click.option("--for", "what", metavar="DIGEST|policy", help="Exit code 57 where approvals of this are missing.")
@json_option
def approvals(env: str, runtime: RuntimeName | None, what: str | None, as_json: bool) -> None:
    """Who has approved what in an environment, each signature verified again.

    \b
    release approvals --env production
    release approvals --env production --for sha256:4f…
    """
    environment = open_environment(env, quiet=as_json)
    there = environment.approvals()
    change = _change(environment, what, runtime) if what else None
    count = 0
    if change is not None:
        contract = environment.policy.approvals.needed(env).contract
        count = policy_needs(environment.ledger, environment.policy) if what == POLICY else contract
        problem = rules.missing(change, count, there, environment.ledger.actor)
        if problem:
            raise problem
    shown = [one for one in there if what is None or one.change == change]
    if as_json:
        print_json({"env": env, "approvals": [{"change": one.change, "by": one.people[0], "key": one.key} for one in shown]})
        return
    if what and not count:
        out.print("Nothing of it needs an approval.")
    for one in shown:
        out.print(f"{one.people[0]}: {one.change}", markup=False)
    if not shown and not what:
        out.print(f"Nothing is approved in {env}.", markup=False)


def _change(environment: Environment, what: str, runtime: RuntimeName | None = None) -> str | None:
    """None: it has no step that needs a yes."""
    if what == POLICY:
        return rules.policy_change(environment.policy.fingerprint)
    release = environment.place_on(runtime).artifacts.verify(checked(what))
    if environment.state().baseline is None:
        return None
    steps = window.pending_contracts(release, environment.world.runtime.schema())
    return rules.contract_change(release.digest, steps) if steps else None
