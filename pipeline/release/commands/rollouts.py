"""release deploy, rollback, hold, promote, abort."""

from __future__ import annotations

import time
from typing import NoReturn

import click

from release import errors
from release.artifact import checked
from release.commands.common import ended_json, new_release, open_environment
from release.environment import Environment
from release.events import HoldRequested, PromoteRequested, RolloutEnded
from release.home import short
from release.say import as_json as print_json
from release.say import env_option, err, json_option, out

reason_option = click.option("--reason", required=True, help="Why; it goes into the ledger.")


def add_to(group: click.Group) -> None:
    for command in (deploy, rollback, hold, promote, abort):
        group.add_command(command)


@click.command()
@click.argument("digest", required=False)
@env_option
@reason_option
@json_option
def deploy(digest: str | None, env: str, reason: str, as_json: bool) -> None:
    """Roll a release out step by step, watched by the gate; without DIGEST, a release of this tree.

    Runs until everyone has it or everyone is back on the baseline. Ctrl-C aborts safely.

    \b
    release deploy --reason "new prices"
    release deploy sha256:4f… --env local --reason "ticket 12"
    """
    started_s = time.monotonic()
    environment = open_environment(env, quiet=as_json)
    if digest is not None:
        checked(digest)
    with environment.locked("release deploy"):
        engine = environment.engine()
        engine.recover()
        if digest is None:
            digest = new_release(environment)
        if digest == engine.state.baseline and engine.state.rollout is None:
            _already(digest, as_json)
            return
        environment.artifacts.verify(digest)
        if engine.state.baseline is not None and environment.world.edge.split() is None:
            raise errors.NotUp(f"The environment {env} is down.")
        environment.bound_logs()
        environment.clock.listen()
        ended = engine.deploy(digest, reason)
    if ended.outcome == "refused" and engine.refused:
        _refused(engine.refused, ended, digest, started_s, as_json)
    _finish(ended, digest, started_s, as_json)


def _refused(problem: errors.SlipwayError, ended: RolloutEnded, digest: str, started_s: float, as_json: bool) -> NoReturn:
    """Nothing of it has begun; who asked gets the reason's own next step, page and exit code."""
    if not as_json:
        raise problem
    print_json({**problem.as_json(), **ended_json(ended, digest, time.monotonic() - started_s)})
    raise SystemExit(problem.exit_code)


def _already(digest: str, as_json: bool) -> None:
    if as_json:
        print_json({"outcome": "promoted", "digest": digest, "reason": "it serves everyone already"})
    else:
        out.print(f"{short(digest)} serves everyone already.")


def _finish(ended: RolloutEnded, digest: str, started_s: float, as_json: bool) -> None:
    took_s = time.monotonic() - started_s
    if ended.outcome != "promoted":
        if as_json:
            print_json({**ended_json(ended, digest, took_s), "exit_code": errors.Aborted.exit_code})
            raise SystemExit(errors.Aborted.exit_code)
        raise errors.Aborted(f"{short(digest)} was {ended.outcome} after {took_s:.1f} s: {ended.reason}.")
    if as_json:
        print_json(ended_json(ended, digest, took_s))
    else:
        out.print(f"{short(digest)} serves everyone after {took_s:.1f} s.")


@click.command()
@env_option
@click.option("--to", help="A pinned release; default: the newest that is not quarantined.")
@reason_option
@json_option
def rollback(env: str, to: str | None, reason: str, as_json: bool) -> None:
    """Send everyone back to the last good release, at once.

    Needs no database, network, build or living engine. A rollout in progress is aborted.
    """
    started_s = time.monotonic()
    environment = open_environment(env, quiet=as_json)
    ended = environment.rollback(None if to is None else checked(to), reason)
    switched = _switched(environment, started_s)
    if ended.outcome == "failed":
        raise errors.NeverReady(ended.reason, remedy="Name another pinned release with --to; `release status` lists them.")
    baseline = environment.state().baseline
    if as_json:
        print_json({**ended_json(ended, baseline, time.monotonic() - started_s), "switched_s": switched})
        return
    after = "" if switched is None else f"users switched {switched * 1000:.0f} ms after the command began; "
    out.print(f"Everyone is on {short(baseline or '')}: {after}all done after {time.monotonic() - started_s:.2f} s.")
    out.print("Rollouts are frozen and the release taken back is quarantined, until the cause is known: `release status`.")


def _switched(environment: Environment, started_s: float) -> float | None:
    """Seconds from the start of this command until the edge acknowledged."""
    done = [entry.mono_s for entry in environment.ledger.entries() if entry.name == "split_set" and entry.mono_s >= started_s]
    return round(done[-1] - started_s, 4) if done else None


@click.command()
@env_option
@reason_option
@json_option
def abort(env: str, reason: str, as_json: bool) -> None:
    """End the rollout in progress: everyone back to the baseline, the canary drained and quarantined."""
    started_s = time.monotonic()
    environment = open_environment(env, quiet=as_json)
    ended = environment.abort(reason)
    if as_json:
        print_json(ended_json(ended, environment.state().baseline, time.monotonic() - started_s))
    else:
        out.print(f"Aborted: {ended.reason}. Everyone is on the baseline.")


@click.command()
@env_option
@reason_option
@json_option
def hold(env: str, reason: str, as_json: bool) -> None:
    """Stay at the present weight until `release promote`, `release abort` or the step's bound. FAIL still reverts."""
    _ask(open_environment(env, quiet=True), HoldRequested(reason), "held at its present weight", as_json)


@click.command()
@env_option
@reason_option
@json_option
def promote(env: str, reason: str, as_json: bool) -> None:
    """Give the canary to everyone now, on your word instead of the gate's proof. FAIL still reverts."""
    _ask(open_environment(env, quiet=True), PromoteRequested(reason), "sent to everyone", as_json)


def _ask(environment: Environment, request: HoldRequested | PromoteRequested, what: str, as_json: bool) -> None:
    state = environment.state()
    rollout = state.rollout
    if rollout is None or environment.dead_engine(state):
        raise errors.NoRollout("No rollout is in progress.")
    environment.ledger.append(request)
    if as_json:
        print_json({"env": environment.name, "rollout": rollout.id, "asked": what})
    else:
        err.print(f"{short(rollout.digest)} will be {what}.")
