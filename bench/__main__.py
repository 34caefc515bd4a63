"""What measures the program: `python -m bench` lists, `python -m bench NAME [--quick]` runs one, `python -m bench all` every one.

A bench is a module here with a docstring, whose first line says what it measures, and `run(home, quick, say) -> Result`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import platform
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

import bench
from bench.result import Result
from release.errors import SlipwayError, UsageError
from release.home import Home
from release.say import err, fail

out = Console(highlight=False, width=140)
NOT_BENCHES = ("__main__", "result", "store")


def names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in NOT_BENCHES]


def title(name: str) -> str:
    return (importlib.import_module(f"bench.{name}").__doc__ or "").strip().splitlines()[0]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="[NAME|all]", required=False)
@click.option("--quick", is_flag=True, help="Few samples, to see that it works.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress goes to stderr.")
def main(name: str | None, quick: bool, as_json: bool) -> None:
    """Measure. Without NAME: list what there is.

    \b
    make bench
    make bench B=flags QUICK=1
    """
    if not name:
        for one in names():
            out.print(f"{one:12} {title(one)}", markup=False)
        return
    if name not in (*names(), "all"):
        fail(UsageError(f"There is no bench {name!r}.", remedy=f"Name one of these: {', '.join(names())}, or all."), json_wanted=as_json)
    try:
        measure(names() if name == "all" else [name], quick, as_json)
    except SlipwayError as error:
        fail(error, json_wanted=as_json)


def measure(chosen: list[str], quick: bool, as_json: bool) -> None:
    """Raises SlipwayError."""
    home = Home.find()
    for one in chosen:
        result = importlib.import_module(f"bench.{one}").run(home, quick, lambda text: err.print(text, markup=False))
        path = _write(home, one, quick, result)
        if as_json:
            print(json.dumps(result.as_data()))
        else:
            _print(one, result, path)


def _write(home: Home, name: str, quick: bool, result: Result) -> Path:
    path = home.reports() / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "cpus": psutil.cpu_count(),
        "load_1m": psutil.getloadavg()[0],
        "system": platform.system(),
        "python": platform.python_version(),
    }
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"bench": name, "quick": quick, "machine": machine, **result.as_data()}, indent=1) + "\n", encoding="utf-8")
    new.replace(path)
    return path


def _print(name: str, result: Result, path: Path) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, column in enumerate((f"{name}, {result.unit}", "n", "median", "p90", "p99", "max", "wanted")):
        table.add_column(column, justify="left" if number in (0, 6) else "right")
    for row in result.rows:
        table.add_row(row.what, str(len(row.samples)), *(f"{value:.0f}" for value in row.figures()), row.wanted)
    out.print(table)
    for note in result.notes:
        out.print(note, markup=False)
    out.print(f"written to {path}", markup=False)


main()
