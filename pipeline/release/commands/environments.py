"""release up, down, status, history."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click
from rich.table import Table

from release import errors
from release.adapters.lock import holder
from release.commands import flags
from release.commands.common import first_release, open_environment, port_is_free, runtime_option
from release.environment import Environment
from release.home import short
from release.narrate import tell
from release.places import RuntimeName
from release.rollout import State
from release.say import as_json as print_json
from release.say import env_option, err, json_option, out
from release.traffic import Split

USUAL_PORT = 8080


def add_to(group: click.Group) -> None:
    for command in (up, observe, down, status, history):
        group.add_command(command)


@click.command()
@env_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Where the store listens on loopback; 0: any free port. Default: as before, or 8080.",
)
@click.option("--first", metavar="DIGEST", help="The release that a new environment begins with. Default: one of this tree.")
@runtime_option
@json_option
def up(env: str, port: int | None, first: str | None, runtime: RuntimeName | None, as_json: bool) -> None:
    """Run the store: database, edge and the release that served last; at first, a release of this tree.

    The first time decides where: `--runtime compose` means containers, for this and all later commands of this environment.

    \b
    release up --port 8080
    release up --env trial --first "$(release build --commit HEAD~1)"
    """
    environment = open_environment(env, quiet=as_json)
    environment.choose(runtime)
    environment.port = port if port is not None else _usual_port(environment)
    with environment.locked("release up"):
        engine = environment.engine()
        edge = environment.world.edge
        if environment.port and edge.split() is None and not port_is_free(environment.port):
            raise errors.PortTaken(f"Port {environment.port} on 127.0.0.1 is taken by another program.")
        environment.database.ensure()
        if environment.policy.gate.reads == "prometheus":
            environment.place.observe(["prometheus"])
        engine.recover()
        if engine.state.baseline is None:
            ended = engine.deploy(first_release(environment, first), "the first release of this environment")
            if ended.outcome != "promoted":
                raise errors.Aborted(f"The first release does not run: {ended.reason}", remedy="Its log is in var/envs/*/logs.")
        else:
            engine.resume()
        if engine.state.baseline:
            environment.have_token(engine.state.baseline)
        environment.bound_logs()
    answer = {
        "env": env,
        "runtime": environment.kind,
        "address": edge.address(),
        "baseline": engine.state.baseline,
        "database_url": environment.database.url,
    }
    if as_json:
        print_json(answer)
        return
    out.print(f"The store is up: [bold]{answer['address']}[/]  (release {short(engine.state.baseline or '')})")
    out.print("  make status · make ship · make rollback · make down")


def _usual_port(environment: Environment) -> int | None:
    """8080 the first time, if it is free."""
    first = not (environment.folder / "edge" / "port.json").exists()
    return USUAL_PORT if first and port_is_free(USUAL_PORT) else None


@click.command()
@click.argument("services", nargs=-1)
@env_option
@json_option
def observe(services: tuple[str, ...], env: str, as_json: bool) -> None:
    """Run Prometheus, Alertmanager, Grafana and a trace store beside an environment on containers, or only the SERVICES that are named.

    \b
    release observe --env containers
    release observe prometheus --env containers
    """
    addresses = open_environment(env, quiet=True).place.observe(services)
    if as_json:
        print_json({"env": env, "addresses": dict(addresses)})
        return
    for name, address in addresses.items():
        out.print(f"{name:13} {address}", markup=False)


@click.command()
@env_option
@click.option("--purge", is_flag=True, help="Delete its database, ledger and logs, too.")
@json_option
def down(env: str, purge: bool, as_json: bool) -> None:
    """Stop everything of this environment. Its data stays unless --purge."""
    environment = open_environment(env, quiet=as_json)
    if not environment.folder.exists():
        _say_down(env, as_json)
        return
    with suppress(errors.NoRollout):
        environment.abort("release down")
    with environment.locked("release down"):
        world = environment.world
        world.edge.stop()
        for digest in world.runtime.running():
            world.runtime.stop(digest)
        environment.database.stop()
        environment.place.sweep(purge)
    if purge:
        shutil.rmtree(environment.folder)
    _say_down(env, as_json)


def _say_down(env: str, as_json: bool) -> None:
    if as_json:
        print_json({"env": env, "down": True})
    else:
        out.print(f"{env} is down.")


@click.command()
@env_option
@json_option
def status(env: str, as_json: bool) -> None:
    """What runs where. A rollout whose engine died is brought to a safe end first."""
    environment = open_environment(env, quiet=as_json)
    state = environment.state()
    if environment.folder.exists() and environment.dead_engine(state):
        err.print("The engine of a rollout died; going back to a safe state.")
        with environment.locked("release status"):
            engine = environment.engine()
            engine.recover()
            state = engine.state
    environment.bound_logs()
    answer = _status(environment, state)
    if as_json:
        print_json(answer)
    else:
        _print_status(answer)


def _status(environment: Environment, state: State) -> dict[str, Any]:
    world = environment.world
    split = world.edge.split() if environment.folder.exists() else None
    roles = dict.fromkeys(state.pinned, "pinned")
    if state.baseline:
        roles = {state.baseline: "baseline", **roles}
    if state.rollout:
        roles.setdefault(state.rollout.digest, "canary")
    running = list(world.runtime.running()) if environment.folder.exists() else []
    engine = holder(environment.lock_path)
    return {
        "env": environment.name,
        "runtime": environment.kind,
        "address": world.edge.address() if split else None,
        "releases": [
            {
                "digest": digest,
                "role": roles.get(digest, "stray"),
                "weight_pct": _weight(split, digest),
                "instances": list(backend.instances) if (backend := world.runtime.alive(digest)) else [],
                "origins": list(backend.origins) if backend else [],
                "alive": backend is not None,
            }
            for digest in dict.fromkeys([*roles, *running])
            if digest
        ],
        "frozen": state.frozen,
        "quarantined": dict(state.quarantined),
        "rollout": None
        if state.rollout is None
        else {"id": state.rollout.id, "digest": state.rollout.digest, "phase": state.rollout.phase},
        "engine": None if engine is None else {"pid": engine.pid, "what": engine.what},
        "flags": _flags(environment, split, state),
    }


def _flags(environment: Environment, split: Split | None, state: State) -> dict[str, Any] | None:
    """None where nothing serves; `error` where the API does not say."""
    if split is None or state.baseline is None:
        return None
    try:
        return flags.as_data(environment.engines_flags.list(state.baseline))
    except errors.SlipwayError as problem:
        return {"error": problem.what}


def _weight(split: Split | None, digest: str) -> int:
    if split is None:
        return 0
    if digest == split.canary:
        return split.weight_pct
    return 100 - split.weight_pct if digest == split.baseline else 0


def _print_status(answer: Mapping[str, Any]) -> None:
    if not answer["releases"]:
        out.print(f"{answer['env']}: no release yet. `make up` starts the store.", markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("release", "role", "weight", "instances"):
        table.add_column(column)
    for release in answer["releases"]:
        where = ", ".join(one.removeprefix("127.0.0.1") for one in [*release["instances"], *release["origins"]]) or "not running"
        table.add_row(short(release["digest"]), release["role"], f"{release['weight_pct']} %", where)
    out.print(f"{answer['env']}: {answer['address'] or 'down (`make up`)'}", markup=False)
    out.print(table)
    if answer["rollout"]:
        out.print(f"rollout of {short(answer['rollout']['digest'])}: {answer['rollout']['phase']}", markup=False)
    if answer["frozen"] is not None:
        out.print(f"frozen: {answer['frozen']}  (release unfreeze --reason TEXT)", markup=False)
    for digest, reason in answer["quarantined"].items():
        out.print(f"quarantined: {short(digest)}: {reason}", markup=False)
    if answer["flags"] and "error" in answer["flags"]:
        out.print(f"flags: {answer['flags']['error']}", markup=False)
    elif answer["flags"]:
        flags.show_data(answer["flags"])


@click.command()
@env_option
@click.option("--all", "everything", is_flag=True, help="Each look of the gate, too.")
@json_option
def history(env: str, everything: bool, as_json: bool) -> None:
    """The ledger of this environment, as sentences."""
    entries = open_environment(env, quiet=as_json).ledger.entries()
    if as_json:
        print_json({"env": env, "entries": [vars(entry) for entry in entries]})
        return
    for entry in entries:
        line = tell(entry)
        if line and (everything or entry.name != "gate_looked" or entry.data["verdict"] == "FAIL"):
            out.print(f"{entry.wall[:19].replace('T', ' ')}  {entry.actor:10}  {line}", markup=False)
