"""What `drill run` does around the drill itself: clean up after dead ones, show, sum up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from drill import batch, sandbox, summary, ways
from drill.report import render
from drill.run import Run, new_name
from drill.scenario import Drill
from drill.view import view
from release.home import Home
from release.places import RuntimeName


def sweep(home: Home, console: Console) -> None:
    """Clean up after drills that were killed. What was kept on purpose stays."""
    for one in sandbox.left(home):
        if not one.kept:
            console.print(f"cleaning up {one.env}, whose drill was killed")
            sandbox.clean(home, one)


def again_and_again(home: Home, drill: Drill, runs: int, console: Console, *, keep: bool, kind: RuntimeName = "embedded") -> dict[str, Any]:
    """The report of one run, or one over several; run i uses seed + i - 1. With several cures, one over all of them."""
    if len(drill.scenario.cures) > 1:
        return by_every_cure(home, drill, runs, console, kind=kind)
    seeds = [drill.scenario.load.seed + number for number in range(runs)]
    reports = [once(home, drill.with_load(seed=seed), console, keep=keep, kind=kind) for seed in seeds]
    return reports[0] if runs == 1 else conclude(home, drill, reports, console)


def by_every_cure(home: Home, drill: Drill, runs: int, console: Console, *, kind: RuntimeName) -> dict[str, Any]:
    seeds = [drill.scenario.load.seed + number for number in range(runs)]
    done = [
        (way.scenario.cures[0], [once(home, way.with_load(seed=seed), console, keep=False, kind=kind) for seed in seeds])
        for way in drill.ways()
    ]
    name = new_name(home, drill)
    report = ways.side_by_side(name, drill, done)
    render.write(report, home.reports() / name)
    summary.side_by_side(console, report, home.reports() / name)
    return report


def once(home: Home, drill: Drill, console: Console, *, keep: bool, kind: RuntimeName) -> dict[str, Any]:
    name = new_name(home, drill)
    with view(console, f"{drill.name}: {drill.scenario.title}") as shown:
        run = Run(home, drill, name, shown, keep, kind)
        report = run.perform()
    summary.one(console, report, run.folder, time.monotonic() - run.started_s)
    if keep:
        console.print(f"kept    {run.address} (environment {run.env}; `drill clean` ends it)", markup=False)
    return report


def conclude(home: Home, drill: Drill, reports: Sequence[dict[str, Any]], console: Console) -> dict[str, Any]:
    """One report over several runs, in a folder of its own."""
    name = new_name(home, drill)
    report = batch.together(name, drill, reports)
    render.write(report, home.reports() / name)
    summary.several(console, report, home.reports() / name)
    return report
