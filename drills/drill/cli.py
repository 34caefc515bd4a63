"""The command `drill`: real faults, real traffic, measured times."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from drill import sandbox, scenario
from drill.batch import worst
from drill.report import render
from release.errors import DrillFailed, DrillInvalid, UsageError
from release.home import Home
from release.places import RUNTIMES, RuntimeName
from release.say import Commands, env_option, err, json_option, out
from release.say import as_json as print_json

WIDTH = 120
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Commands, context_settings=SETTINGS)
def main() -> None:
    """Rehearse a release that goes wrong, under real traffic, with a clock running.

    \b
    drill list                            what can be drilled
    drill run                             the default: a release with a real bug
    drill run slow-release --runs 5       five times, with the spread of all times
    drill run path/to/my-scenario.yaml    your own
    drill report                          the latest report

    Exit codes: 0 every expectation and budget held · 60 one did not · 61 the drill proves nothing · 130 interrupted; others: `release --help`.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup is respected
            signal.signal(number, _as_ctrl_c)  # SIGINT, too: a shell that runs us in the background has it ignored


def _as_ctrl_c(number: int, frame: object) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt


@main.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """The scenarios in drills/scenarios."""
    drills = list(scenario.every(Home.find().root))
    if as_json:
        print_json({"scenarios": [{"name": drill.name, **drill.scenario.model_dump()} for drill in drills]})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    for drill in drills:
        marks = ("the default" if drill.name == scenario.DEFAULT else "") + ("takes minutes" if drill.scenario.takes_minutes else "")
        table.add_row(drill.name, drill.scenario.title, marks)
    out.print(table)


@main.command()
@click.argument("name", metavar="[SCENARIO|PATH]", default=scenario.DEFAULT)
@click.option("--runs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Do it several times; run i uses seed + i - 1.")
@click.option("--seed", type=click.IntRange(0), help="Another history of users. Default: the scenario's.")
@click.option("--rate", type=click.FloatRange(1, 1000), help="Requests per second. Default: the scenario's.")
@click.option("--keep", is_flag=True, help="Leave the store running afterwards, to look around.")
@click.option("--all", "everything", is_flag=True, help="Every scenario of `drill list`, one after the other.")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="embedded", show_default=True, help="Processes, or containers.")
@json_option
def run(
    name: str, runs: int, seed: int | None, rate: float | None, keep: bool, everything: bool, runtime: RuntimeName, as_json: bool
) -> None:
    """Run a drill and write its report.

    \b
    drill run
    drill run --all
    drill run slow-release --seed 7
    drill run --runtime compose
    drill run path/to/my-scenario.yaml --runs 10
    """
    from drill import runs as runner

    if keep and (runs > 1 or everything):
        raise UsageError("--keep is for one run.", remedy="Leave out --runs and --all.")
    home = Home.find()
    console = _console(as_json)
    chosen = [
        drill.with_load(seed=seed, rate_per_s=rate)
        for drill in (scenario.every(home.root) if everything else [scenario.find(name, home.root)])
    ]
    if keep and any(len(drill.scenario.cures) > 1 for drill in chosen):
        raise UsageError("--keep is for one run; this scenario has several cures.", remedy="Leave --keep out.")
    runner.sweep(home, console)
    done = [runner.again_and_again(home, drill, runs, console, keep=keep, kind=runtime) for drill in chosen]
    if as_json:
        print_json({"reports": done} if everything else done[0])
    _exit(done)


def _console(as_json: bool) -> Console:
    """A file or a pipe has no width of its own."""
    console = err if as_json else out
    if not console.is_terminal:
        console.width = WIDTH
    return console


def _exit(reports: Sequence[dict[str, Any]]) -> None:
    """0, 60 or 61. The summaries above have said why."""
    codes = {"pass": 0, "fail": DrillFailed.exit_code, "invalid": DrillInvalid.exit_code}
    sys.exit(codes[worst([report["outcome"] for report in reports])])


@main.command()
@click.argument("name", metavar="[RUN]", required=False)
@click.option("--into", type=click.Path(path_type=Path), help="Also write its figures into this document, between its marks.")
@click.option("--markdown", is_flag=True, help="Print its report.md.")
@json_option
def report(name: str | None, into: Path | None, markdown: bool, as_json: bool) -> None:
    """Print a report again, and draw its report.md and report.html anew. Default: the latest."""
    from drill import summary
    from drill.report import figures

    folder = _folder(Home.find(), name)
    if into:
        figures.write_into(into, folder)
    found = render.read(folder)
    render.write(found, folder)
    if as_json:
        print_json(found)
    elif markdown:
        click.echo((folder / "report.md").read_text(encoding="utf-8"))
    else:
        say = summary.side_by_side if "ways" in found else summary.several if "runs" in found else summary.one
        say(_console(as_json), found, folder)


def _folder(home: Home, name: str | None) -> Path:
    there = sorted(path.parent.name for path in home.reports().glob("*/report.json"))
    if name in there or (name is None and there):
        return home.reports() / (name or there[-1])
    if not there:
        raise UsageError("There is no report yet.", remedy="`make drill` writes one.")
    raise UsageError(f"There is no report {name!r}.", remedy=f"The latest are: {', '.join(there[-5:])}.")


@main.command()
@json_option
def clean(as_json: bool) -> None:
    """Stop and delete what drills left running: killed ones, and those with --keep."""
    home = Home.find()
    cleaned = sandbox.left(home)
    for one in cleaned:
        sandbox.clean(home, one)
    if as_json:
        print_json({"cleaned": [one.env for one in cleaned]})
    else:
        out.print("\n".join(f"{one.env} is gone." for one in cleaned) or "Nothing to clean up.", markup=False)


@main.command()
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
@env_option
@click.option("--rate", type=click.FloatRange(1, 1000), default=120, show_default=True, help="Requests per second.")
@click.option("--users", type=click.IntRange(1, 9999), default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--for", "for_s", type=click.FloatRange(1, 86_400), default=3600, show_default=True, help="Seconds.")
def traffic(command: tuple[str, ...], env: str, rate: float, users: int, seed: int, for_s: float) -> None:
    """Send a drill's user traffic to an environment that runs: until Ctrl-C, or while COMMAND runs.

    \b
    drill traffic --rate 200
    drill traffic -- release deploy --reason "new prices"
    """
    from drill.stream import stream, while_running

    load = scenario.Load(rate_per_s=rate, users=users, seed=seed, max_s=for_s)
    if command:
        sys.exit(while_running(command, Home.find(), env, load, err))
    stream(Home.find(), env, load, out)
