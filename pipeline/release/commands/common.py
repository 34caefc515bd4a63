"""What several commands share."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from release.artifact import checked
from release.environment import Environment
from release.errors import SlipwayError
from release.events import RolloutEnded
from release.home import Home
from release.ledger import Entry
from release.narrate import tell
from release.places import RUNTIMES, RuntimeName
from release.say import err

if TYPE_CHECKING:
    from release.adapters.build import Built

runtime_option = click.option("--runtime", type=click.Choice(RUNTIMES), help="Processes of this machine (the default), or containers.")
LOOK_EVERY_S = 5.0  # a gate that has not decided is reported this often


def open_environment(name: str, *, quiet: bool) -> Environment:
    """`quiet`: no progress (with --json, stderr still gets warnings)."""
    return Environment(Home.find(), name, None if quiet else progress(err))


def progress(console: Console) -> Callable[[Entry], None]:
    """Prints each event; undecided looks of the gate only now and then."""
    last_look_s = 0.0

    def listen(entry: Entry) -> None:
        nonlocal last_look_s
        line = tell(entry)
        if line is None:
            return
        if entry.name == "gate_looked" and entry.data["verdict"] != "FAIL":
            if time.monotonic() - last_look_s < LOOK_EVERY_S:
                return
            last_look_s = time.monotonic()
        console.print(f"{entry.wall[11:19]}  {line}", markup=False)

    return listen


def build_and_prune(home: Home, patch: Path | None = None, commit: str | None = None, *, kind: RuntimeName = "embedded") -> Built:
    """A new release, and older ones that nobody needs go. Whatever hinders that, the build has succeeded."""
    from release.housekeeping import prune

    built = _build(home, patch, commit, kind)
    if built.built:
        try:
            prune(home, also={built.digest})
        except SlipwayError as problem:
            err.print(f"No older release was removed: {problem.what}", markup=False)
    return built


def _build(home: Home, patch: Path | None, commit: str | None, kind: RuntimeName) -> Built:
    if kind == "compose":
        from release.adapters.containers.build import build as build_image

        return build_image(home, patch, commit)
    from release.adapters.build import build

    return build(home, patch, commit)


def new_release(environment: Environment) -> str:
    """Of this tree, where the environment's runtime takes it from; its digest."""
    built = build_and_prune(environment.home, kind=environment.kind)
    environment.place.publish(built.digest)
    return built.digest


def first_release(environment: Environment, digest: str | None) -> str:
    """The one that is named, where the environment's runtime takes it from, or one of this tree. Raises NotADigest."""
    if digest is None:
        return new_release(environment)
    environment.place.publish(checked(digest))
    return digest


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ended_json(ended: RolloutEnded, digest: str | None, took_s: float) -> dict[str, object]:
    return {"rollout": ended.rollout, "outcome": ended.outcome, "reason": ended.reason, "digest": digest, "took_s": round(took_s, 3)}
