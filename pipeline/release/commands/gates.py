"""release gate simulate, release policy."""

from __future__ import annotations

import json
from pathlib import Path

import click

from release import policy as policies
from release.home import Home
from release.say import as_json as print_json
from release.say import json_option, out


def add_to(group: click.Group) -> None:
    for command in (gate, policy):
        group.add_command(command)


@click.group()
def gate() -> None:
    """The rule to leave a step."""


@gate.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def simulate(file: Path, as_json: bool) -> None:
    """Roll out thousands of imagined releases under the present policy: who is rolled back, how soon, how many users are harmed.

    \b
    release gate simulate pipeline/examples/gate-simulation.yaml
    """
    from release.simulate import run_file

    result = run_file(file, policies.read(Home.find().policy))
    if as_json:
        print_json(result)
    else:
        out.print(json.dumps(result, indent=2), markup=False)


@click.command()
@json_option
def policy(as_json: bool) -> None:
    """Check pipeline/policy.yaml and print what holds."""
    value = policies.read(Home.find().policy)
    if as_json:
        print_json(value.model_dump(mode="json"))
        return
    steps = " -> ".join(f"{step.weight_pct} %" for step in value.steps)
    out.print(f"pipeline/policy.yaml is valid. Steps: {steps}.", markup=False)
