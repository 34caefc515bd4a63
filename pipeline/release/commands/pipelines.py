"""release pipeline, release approval."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from release import errors, stages
from release.adapters.stage_process import StageProcess, tail
from release.home import Home
from release.pipeline import Pipeline
from release.pipeline_report import markdown, report, sentences
from release.pipeline_view import PipelineView
from release.places import RUNTIMES, RuntimeName
from release.say import as_json as print_json
from release.say import err, json_option, out
from release.stages import USERS, Outcome, Stage

TAIL_LINES = 25
ENVIRONMENTS = ("staging", "production")
DOWN_S = 120.0


def add_to(group: click.Group) -> None:
    for command in (pipeline, approval):
        group.add_command(command)


approved_option = click.option("--approved-by", metavar="NAME", envvar="APPROVED_BY", help="Who says yes to production.")


@click.command()
@click.option("--until", metavar="STAGE", help="The last stage. Default: all of them, if production is approved; else all before that.")
@approved_option
@click.option("--slots", type=click.IntRange(1, 16), default=2, show_default=True, help="Stages at once.")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="embedded", show_default=True, help="Of staging and production.")
@click.option("--list", "listed", is_flag=True, help="Only say which stages there are.")
@json_option
def pipeline(until: str | None, approved_by: str | None, slots: int, runtime: RuntimeName, listed: bool, as_json: bool) -> None:
    """Run the stages of pipeline/stages.yaml on this machine, in the order and behind the gates that GitHub has them.

    The first failure stops the others; then nothing of it runs any more. The timing table goes to reports/pipeline-….

    \b
    release pipeline                              up to a release in staging, and the rehearsal of its way back
    release pipeline --approved-by ada            and to production, as canary from 1 to 100 %
    release pipeline --until unit                 first feedback
    """
    home = Home.find()
    every = stages.read(home.root / "pipeline" / "stages.yaml")
    if listed:
        _list(every, as_json)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_ctrl_c)  # SIGINT, too: a shell that runs us in the background has it ignored, and so would the stages
    wanted = stages.until(every, until) if until else every.stages if approved_by else stages.before_users(every)
    folder = _folder(home)
    variables = {"RUNTIME": runtime, **({"APPROVED_BY": approved_by} if approved_by else {})}

    def start(stage: Stage) -> StageProcess:
        return StageProcess.start(home.root, stage.run, variables, folder / "logs" / f"{stage.name}.log")

    view = PipelineView(err if as_json else out, every.stages)
    view.pipeline = Pipeline(wanted, start, view.show, slots)
    with cleaned_up(home, folder), view:
        done = view.pipeline.run()
    found = report(wanted, done, [stage for stage in every.stages if stage not in wanted], every.wanted)
    (folder / "pipeline.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "pipeline.md").write_text(markdown(found), encoding="utf-8")
    _say(home, folder, wanted, found, as_json)


@contextmanager
def cleaned_up(home: Home, folder: Path) -> Iterator[None]:
    """Environments that this pipeline brought up go down again; one that was there before stays."""
    there = set(home.envs())
    try:
        yield
    finally:
        for env in (path.name for path in home.envs() if path not in there and path.name in ENVIRONMENTS):
            down = StageProcess.start(home.root, "down", {"ENVIRONMENT": env, "PURGE": "1"}, folder / "logs" / f"down-{env}.log")
            down.wait(DOWN_S)


def _as_ctrl_c(number: int, frame: object) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt


def _list(every: stages.Stages, as_json: bool) -> None:
    if as_json:
        print_json({"stages": [stage.model_dump() for stage in every.stages]})
        return
    for part, those in every.parts().items():
        out.print(part, style="bold")
        for stage in those:
            out.print(f"  {stage.name:<12}  {stage.what}", markup=False)


def _folder(home: Home) -> Path:
    stamp = f"pipeline-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for number in range(1, 100):
        folder = home.reports() / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("a hundred pipelines within one second")


def _say(home: Home, folder: Path, wanted: Sequence[Stage], found: dict[str, Any], as_json: bool) -> None:
    failed = [row["stage"] for row in found["stages"] if row["outcome"] == Outcome.FAILED]
    if as_json and not failed:
        print_json({**found, "report": str(folder)})
    elif not as_json:
        for sentence in sentences(found):
            out.print(sentence, markup=False)
        out.print(f"report  {folder.relative_to(home.root)}/pipeline.md", markup=False)
    if failed:
        log = folder / "logs" / f"{failed[0]}.log"
        err.print("\n".join(tail(log, TAIL_LINES)), markup=False, style="dim")
        target = next(stage.run for stage in wanted if stage.name == failed[0])
        raise errors.StageFailed(f"The stage {failed[0]} failed; all that it said is in {log}.", remedy=f"`make {target}` runs it alone.")
    if not as_json and wanted[-1].part != USERS:
        out.print("production waits for a yes: `make pipeline APPROVED_BY=NAME`", markup=False)


@click.command()
@approved_option
@json_option
def approval(approved_by: str | None, as_json: bool) -> None:
    """Has a person said yes to production? Asked on a terminal, else named by --approved-by or APPROVED_BY.

    On GitHub the environment `production` asks its reviewers before the job begins.
    """
    if not approved_by and sys.stdin.isatty() and click.confirm("Roll this tree's release out to production?"):
        approved_by = click.prompt("Your name")
    if not approved_by:
        raise errors.NotApproved("Nobody has said yes to production.")
    if as_json:
        print_json({"approved_by": approved_by})
    else:
        out.print(f"approved by {approved_by}", markup=False)
