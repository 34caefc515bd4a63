"""What is printed at the end: the timing table, the harm, and where the report is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from drill.report.words import CURES, OUTCOMES, TIMES, budget, headline, many, median_of, seconds, times_of, value_of

STYLES = {"pass": "bold green", "fail": "bold red", "invalid": "bold yellow"}


def one(console: Console, report: dict[str, Any], folder: Path, total_s: float | None = None) -> None:
    """`total_s`: with the report's drawing and the cleaning up, where that was just done."""
    table = _table("time", "measured", "budget", "from … to")
    for name, (word, meaning) in times_of(report).items():
        value, limit = report["times"][name], report["budgets"][name]
        if value is None and limit is None:
            continue
        over = value is not None and limit is not None and value > limit
        table.add_row(word, Text(seconds(value), "red" if over else "bold"), budget(limit), Text(meaning, "dim"))
    console.print()
    console.print(Text.assemble((f"{OUTCOMES[report['outcome']]}: ", STYLES[report["outcome"]]), (report["title"], "bold")))
    console.print(headline(report), markup=False, soft_wrap=not console.is_terminal)
    console.print()
    console.print(table)
    console.print()
    _harm(console, report, total_s)
    for check in report["checks"]:
        if not check["held"]:
            console.print(f"not held: {check['name']}: wanted {check['wanted']}, measured {check['measured']}", style="red", markup=False)
    console.print(f"report  {folder / 'report.html'}", markup=False)


def _harm(console: Console, report: dict[str, Any], total_s: float | None) -> None:
    impact, setup_s = report["impact"], report["setup_s"]
    console.print(
        f"harm    {many(impact['users_harmed'], 'user')} of {impact['users']:,}, {many(impact['failed_requests'], 'failed request')} of {impact['requests']:,}"
    )
    cleaned = f", {total_s:.1f} s with report and cleaning up" if total_s is not None else ""
    before = f"; set-up before it {setup_s:.1f} s" if setup_s is not None else ""
    console.print(f"run     {report['run_s']:.1f} s{cleaned}{before}")


def several(console: Console, report: dict[str, Any], folder: Path) -> None:
    table = _table("", "n", "min", "median", "p90", "max", "budget")
    for name, spread in report["spread"].items():
        values = [value_of(name)(spread[key]) for key in ("min", "median", "p90", "max")]
        table.add_row(
            name.removesuffix("_s").replace("_", " "),
            str(spread["n"]),
            *values,
            _limit(name, report["budgets"].get(name)),
        )
    console.print()
    console.print(
        Text.assemble(
            (f"{OUTCOMES[report['outcome']]}: ", STYLES[report["outcome"]]),
            (f"{report['title']}, {many(len(report['runs']), 'run')}", "bold"),
        )
    )
    console.print(table)
    for run in report["runs"]:
        if run["outcome"] != "pass":
            console.print(f"{run['run']}: {run['outcome']}: {', '.join(run['broken'])}", style="red", markup=False)
    console.print(f"report  {folder / 'report.html'}", markup=False)


def side_by_side(console: Console, report: dict[str, Any], folder: Path) -> None:
    table = _table("cure", "decision → last bad answer", "harm in all", "to lasting calm", "users", "failed")
    for way in report["ways"]:
        values = [median_of(way, name) for name in ("revert_s", "mitigate_s", "recover_s", "users_harmed", "failed_requests")]
        table.add_row(CURES[way["cure"]], *values)
    console.print()
    console.print(Text.assemble((f"{OUTCOMES[report['outcome']]}: ", STYLES[report["outcome"]]), (report["title"], "bold")))
    console.print(table)
    for way in report["ways"]:
        for run in way["runs"]:
            if run["broken"]:
                console.print(f"{run['run']}: {run['outcome']}: {', '.join(run['broken'])}", style="red", markup=False)
    console.print(f"report  {folder / 'report.html'}", markup=False)


def _limit(name: str, limit: float | None) -> str:
    return "" if limit is None else budget(limit) if name in TIMES else f"{limit:g}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(
            column, justify="right" if 0 < number < (3 if columns[-1].startswith("from") else len(columns)) else "left", no_wrap=True
        )
    return table
