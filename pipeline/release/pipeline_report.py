"""How a pipeline went: its stages as data, as a table in Markdown, and the two times that people wait for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from release.stages import Done, Outcome, Stage, Wanted

FEEDBACK, RELEASED = "check", "staging"  # the parts after which something can be said


def report(wanted: Sequence[Stage], done: Mapping[str, Done], left: Sequence[Stage], limits: Wanted | None = None) -> dict[str, Any]:
    """`left`: stages that nobody asked for; `limits`: how long people want to wait. `feedback_s`, `released_s`: from the start until all of a part has passed; None where not all has."""
    rows = [
        {
            "stage": stage.name,
            "part": stage.part,
            "outcome": end.outcome.value,
            "began_s": round(end.began_s, 2),
            "took_s": round(end.took_s, 2),
        }
        for stage, end in ((stage, done[stage.name]) for stage in wanted)
    ]
    rows += [{"stage": stage.name, "part": stage.part, "outcome": Outcome.LEFT_OUT.value, "began_s": 0.0, "took_s": 0.0} for stage in left]
    return {
        "outcome": "passed" if all(end.outcome is Outcome.PASSED for end in done.values()) else "failed",
        "feedback_s": _passed_after(FEEDBACK, wanted, done),
        "released_s": _passed_after(RELEASED, wanted, done),
        "wanted": limits.model_dump() if limits else {},
        "took_s": round(max((end.ended_s for end in done.values()), default=0.0), 2),
        "stages": rows,
    }


def _passed_after(part: str, wanted: Sequence[Stage], done: Mapping[str, Done]) -> float | None:
    ends = [done[stage.name] for stage in wanted if stage.part == part]
    passed = ends and all(end.outcome is Outcome.PASSED for end in ends)
    return round(max(end.ended_s for end in ends), 2) if passed else None


def markdown(found: Mapping[str, Any]) -> str:
    lines = ["| stage | outcome | began | took |", "|---|---|---:|---:|"]
    for row in found["stages"]:
        times = ("", "") if row["outcome"] == Outcome.LEFT_OUT else (f"{row['began_s']:.1f} s", f"{row['took_s']:.1f} s")
        lines.append(f"| {row['part']}: {row['stage']} | {row['outcome']} | {times[0]} | {times[1]} |")
    return "\n".join([*lines, "", *sentences(found), ""])


def sentences(found: Mapping[str, Any]) -> list[str]:
    words = {"feedback_s": "first feedback", "released_s": "signed, verified and smoked in staging", "took_s": "all of it"}
    return [f"{what} after {found[key]:.1f} s{_wanted(found, key)}" for key, what in words.items() if found[key] is not None]


def _wanted(found: Mapping[str, Any], key: str) -> str:
    limit = found["wanted"].get(key)
    return "" if limit is None else f" (wanted: {limit:g} s)"
