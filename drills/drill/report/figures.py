"""A report's figures inside another document, between its marks: README.md shows what a run measured, never what somebody typed."""

from __future__ import annotations

import re
from pathlib import Path

from drill.report import render
from release.errors import UsageError

MARKS = re.compile(r"(<!-- figures:begin[^\n]*-->\n).*?(<!-- figures:end -->)", re.S)


def write_into(document: Path, folder: Path) -> None:
    """`folder` is one run's or several runs' report; of several, the first tells the story. Raises UsageError."""
    found = render.read(folder)
    several = found if "runs" in found else None
    one = render.read(folder.parent / found["runs"][0]["run"]) if several else found
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{document} can't be read: {problem}") from problem
    if not MARKS.search(text):
        raise UsageError(
            f"{document} has no lines `<!-- figures:begin … -->` and `<!-- figures:end -->`.", remedy="Put them where the figures belong."
        )
    figures = render.figures(one, several).strip()
    document.write_text(MARKS.sub(lambda marks: f"{marks[1]}\n{figures}\n\n{marks[2]}", text), encoding="utf-8")
