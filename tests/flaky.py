"""Tells a flaky test from a broken one: with --reruns, one that passes at a later attempt is named, and makes the run red unless tests/flaky.yaml lists it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from release.errors import UsageError
from release.yamlfile import load

LIST = Path(__file__).with_name("flaky.yaml")
AHEAD_DAYS_MAX = 30


class Known(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    test: str = Field(min_length=10)
    owner: str = Field(min_length=1)
    expires: date
    why: str = Field(min_length=10)


class KnownFlaky(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    flaky: tuple[Known, ...]


def known(path: Path = LIST) -> tuple[Known, ...]:
    """Raises UsageError with file, line and field."""
    return load(path, KnownFlaky, UsageError).flaky


def unknown(flaky: set[str], listed: tuple[Known, ...], today: date) -> list[str]:
    """Those that nobody has taken on, or whose time is over."""
    taken = tuple(entry.test for entry in listed if today <= entry.expires)
    return sorted(test for test in flaky if not test.startswith(taken))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test in sorted(_flaky(terminalreporter)):
        owner = next(
            (entry.owner for entry in known() if test.startswith(entry.test)), "nobody yet: mend it, or list it in tests/flaky.yaml"
        )
        terminalreporter.write_line(f"flaky  {test}  ({owner})", yellow=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter and unknown(_flaky(reporter), known(), datetime.now(UTC).date()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _flaky(reporter: pytest.TerminalReporter) -> set[str]:
    rerun, passed = ({report.nodeid for report in reporter.stats.get(kind, ())} for kind in ("rerun", "passed"))
    return rerun & passed
