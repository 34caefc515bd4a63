"""report.json -> report.md and a self-contained report.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError, select_autoescape
from markupsafe import Markup

from drill.report import charts, dots, words
from release.errors import UsageError

Report = dict[str, Any]


def write(report: Report, folder: Path) -> None:
    """All three, each whole or not at all. report.json comes first: the other two can be drawn again from it."""
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.json", json.dumps(report, indent=1) + "\n")
    for name in ("report.md", "report.html"):
        _replace(folder / name, render(report, name))


def read(folder: Path) -> Report:
    return dict(json.loads((folder / "report.json").read_text(encoding="utf-8")))


def render(report: Report, name: str) -> str:
    """`name`: report.md or report.html; `batch` in the report chooses the templates for several runs."""
    kind = "ways" if "ways" in report else "batch" if "runs" in report else "report"
    template = _environment().get_template(f"{kind}.{name.rsplit('.', maxsplit=1)[1]}.j2")
    try:
        return template.render(r=report)
    except UndefinedError as problem:
        raise UsageError(f"This report is of another version: {problem.message}.", remedy="Run the drill again.") from problem


def figures(one: Report, several: Report | None) -> str:
    """Markdown for another document: the story of one run, and the times of several where there are."""
    return _environment().get_template("figures.md.j2").render(one=one, many_runs=several)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("drill.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": words.seconds,
        "budget": words.budget,
        "story": _story,
        "spread": _spread,
        "clock": _clock,
        "cell": _cell,
    }
    environment.globals |= {
        "many": words.many,
        "headline": words.headline,
        "errors": words.errors,
        "evidence": words.evidence,
        "TIMES": words.TIMES,
        "CURES": words.CURES,
        "times_of": words.times_of,
        "OUTCOMES": words.OUTCOMES,
        "value_of": words.value_of,
        "samples_of": _samples_of,
        "median_of": words.median_of,
    }
    return environment


def _story(report: Report) -> Markup:
    return Markup(charts.svg(charts.story(report)))  # noqa: S704 - our own drawing; its texts are escaped by Vega


def _spread(times: dict[str, list[float]]) -> Markup:
    return Markup(charts.svg(dots.spread(times)))  # noqa: S704


def _samples_of(report: Report) -> dict[str, list[float]]:
    return {name: list(report["spread"][name]["samples"]) for name in words.TIMES if name in report["spread"]}


def _clock(wall: str) -> str:
    """`2026-11-23T13:07:22.123456Z` -> `13:07:22.123`."""
    return wall[11:23]


def _cell(text: object) -> str:
    """A Markdown table cell: one line, no bar."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
