"""What browsers tell us, counted and logged within bounds. No database: it works when that is what broke.

Anyone can send a report, as often as they like. So a report counts once, whatever its `count`; builds beyond the first few share a name;
and only so many are logged per second. Views and broken views make a share: of the pages that were loaded, how many broke.
"""

from __future__ import annotations

import re
import time

import structlog
from prometheus_client import Counter

from app.bounds import Allowance, Names
from app.client_errors.schemas import ClientReport, ReportKind

BUILDS_MAX = 8
LOGGED_AT_ONCE_MAX = 20
LOGGED_PER_S_MAX = 1.0
LOGGED_MESSAGE_MAX = 200

REPORTS = Counter("store_client_reports_total", "Reports of browsers; kind `view` is a page that was loaded.", ["build", "kind"])
BROKEN_VIEWS = Counter("store_client_broken_views_total", "Loaded pages on which something broke.", ["build"])
UNLOGGED = Counter("store_client_reports_unlogged_total", "Reports of breaks that were counted and, being too many, not logged.")

log = structlog.get_logger()


builds = Names(BUILDS_MAX)
allowance = Allowance(LOGGED_AT_ONCE_MAX, LOGGED_PER_S_MAX)


def note(report: ClientReport) -> bool:
    """Whether it is about a loaded page that was whole so far, and now is broken."""
    build = builds.label(report.build)
    REPORTS.labels(build, report.kind).inc()
    if report.kind is ReportKind.VIEW:
        return False
    if report.first:
        BROKEN_VIEWS.labels(build).inc()
    if allowance.take(time.monotonic()):
        _write(report)
    else:
        UNLOGGED.inc()
    return report.first


def _write(report: ClientReport) -> None:
    said = {**report.model_dump(mode="json", exclude={"message", "correlation_id"}), "message": impersonal(report.message)}
    log.warning("client_error", **said, about_correlation_id=report.correlation_id)


def impersonal(message: str) -> str:
    """Without queries of addresses, mail addresses and long numbers. The client does the same; this is for clients that do not."""
    plain = re.sub(r"[?#]\S*", "<query>", message)
    plain = re.sub(r"[^\s@]{1,64}@[^\s@]{1,255}", "<mail>", plain)
    return re.sub(r"\d{5,}", "<number>", plain)[:LOGGED_MESSAGE_MAX]
