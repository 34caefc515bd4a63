"""The moving parts of the live picture: both lanes, and the evidence on its way to the verdict."""

from __future__ import annotations

import math

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from drill.live import LaneNow, Now
from release import events as e

FAIL_AT = 100.0  # how many to one; 1 / policy.gate.false_alarm_share
WIDTH = 40


def lanes_table(now: Now) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    table.add_column("")
    for heading in ("users", "requests/s", "failing", "p95"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for lane, weight_pct in (("baseline", 100 - now.weight_pct), ("canary", now.weight_pct)):
        _row(table, lane, weight_pct, now.lanes[lane])  # type: ignore[index]
    return table


def _row(table: Table, lane: str, weight_pct: int, lately: LaneNow) -> None:
    color = "blue" if lane == "baseline" else "yellow"
    failing = lately.failed_share
    table.add_row(
        Text(lane, color),
        f"{weight_pct} %",
        f"{lately.requests_per_s:.1f}",
        Text("-" if failing is None else f"{failing:.1%}", "bold red" if failing else ""),
        "-" if lately.p95_ms is None else f"{lately.p95_ms:.0f} ms",
        ProgressBar(total=100, completed=weight_pct, width=WIDTH, complete_style=color, finished_style=color),
    )


def evidence_bar(look: e.GateLooked | None) -> Table:
    """Logarithmic: from 1 to 1 (nothing known) to 100 to 1 (the gate says FAIL)."""
    table = Table.grid(padding=(0, 2))
    if look is None:
        return table
    share = min(1.0, max(0.0, math.log(max(look.evidence, 1e-9)) / math.log(FAIL_AT)))
    style = "red" if look.verdict == "FAIL" else "magenta"
    said = f"{odds(look.evidence)} against health"
    table.add_row(
        "evidence", ProgressBar(total=1.0, completed=share, width=WIDTH, complete_style=style, finished_style=style), said, look.verdict
    )
    return table


def odds(evidence: float) -> str:
    """`23 : 1`; below one the release looks healthy."""
    return f"{evidence:,.0f} : 1" if evidence >= 10 else f"{evidence:.1f} : 1"
