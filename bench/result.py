"""What a bench hands back: rows of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drill.statistics import percentile


@dataclass(frozen=True)
class Row:
    """`wanted`: what is promised, in words; empty where nothing is."""

    what: str
    samples: Sequence[float]
    wanted: str = ""

    def figures(self) -> tuple[float, float, float, float]:
        """Median, p90, p99, max."""
        ranked = sorted(self.samples)
        return percentile(ranked, 50), percentile(ranked, 90), percentile(ranked, 99), ranked[-1]


@dataclass(frozen=True)
class Result:
    unit: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def as_data(self) -> dict[str, Any]:
        rows = [
            {"what": row.what, "n": len(row.samples), **dict(zip(("median", "p90", "p99", "max"), row.figures(), strict=True)),
             "wanted": row.wanted, "samples": [round(one, 2) for one in row.samples]}
            for row in self.rows
        ]  # fmt: skip
        return {"unit": self.unit, "rows": rows, "notes": list(self.notes)}
