"""The same drill several times: every run's report, and one over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from drill.report.words import TIMES
from drill.scenario import Drill
from drill.statistics import summary

COUNTS: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "verdict_canary_requests": lambda report: report["gate"].get("canary_requests"),
    "users_harmed": lambda report: report["impact"]["users_harmed"],
    "failed_requests": lambda report: report["impact"]["failed_requests"],
    "run_s": lambda report: report["run_s"],
}


def together(name: str, drill: Drill, reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """n, min, median, p90, max and each sample per time and count. Pure."""
    spreads = {time: summary([report["times"][time] for report in reports]) for time in TIMES}
    spreads |= {count: summary([of(report) for report in reports]) for count, of in COUNTS.items()}
    return {
        "run": name,
        "scenario": drill.name,
        "title": drill.scenario.title,
        "outcome": worst([report["outcome"] for report in reports]),
        "outcomes": dict(Counter(report["outcome"] for report in reports)),
        "runs": [
            {"run": report["run"], "outcome": report["outcome"], "seed": report["seed"], "broken": broken(report), **report["times"]}
            for report in reports
        ],
        "spread": {time: asdict(spread) for time, spread in spreads.items() if spread},
        "budgets": reports[0]["budgets"],
        "machine": reports[-1]["machine"],
    }


def worst(outcomes: Sequence[str]) -> str:
    return next((outcome for outcome in ("fail", "invalid") if outcome in outcomes), "pass")


def broken(report: dict[str, Any]) -> list[str]:
    return [check["name"] for check in report["checks"] if not check["held"]]
