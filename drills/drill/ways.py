"""The same bug cured in several ways: one table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drill.batch import broken, worst
from drill.scenario import Cure, Drill
from drill.statistics import summary

COMPARED = ("mitigate_s", "revert_s", "recover_s")
COUNTS = ("users_harmed", "failed_requests")

Way = tuple[Cure, Sequence[dict[str, Any]]]


def side_by_side(name: str, drill: Drill, ways: Sequence[Way]) -> dict[str, Any]:
    """Per cure: n, median and each sample of what users felt; and the report of each run."""
    every = [report for _, reports in ways for report in reports]
    return {
        "run": name,
        "scenario": drill.name,
        "title": drill.scenario.title,
        "hypothesis": drill.scenario.hypothesis.strip(),
        "outcome": worst([report["outcome"] for report in every]),
        "flag": drill.scenario.flag.model_dump() if drill.scenario.flag else None,
        "ways": [_way(cure, reports) for cure, reports in ways],
        "load": drill.scenario.load.model_dump(),
        "machine": every[-1]["machine"],
    }


def _way(cure: Cure, reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    spreads = {time: summary([report["times"][time] for report in reports]) for time in COMPARED}
    spreads |= {count: summary([report["impact"][count] for report in reports]) for count in COUNTS}
    return {
        "cure": cure,
        "spread": {what: asdict(spread) for what, spread in spreads.items() if spread},
        "runs": [
            {"run": report["run"], "outcome": report["outcome"], "seed": report["seed"], "broken": broken(report)} for report in reports
        ],
    }
