"""The database as this instance sees it: use, size and refusals of its connection pool, and how long statements take."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

IN_USE = Gauge("db_pool_connections_in_use", "Connections that a request holds now.")
SIZE = Gauge("db_pool_connections_max", "As many may be in use at once.")
REFUSED = Counter("db_pool_timeouts_total", "Requests that waited for a connection and got none.")
STATEMENT_S = Histogram(
    "db_statement_duration_seconds", "A statement sent to its answer.", buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 3)
)
STARTED = "slipway_started_s"


def watch(engine: AsyncEngine) -> None:
    """From now on the metrics are about this engine."""
    pool = engine.pool
    if isinstance(pool, QueuePool):
        IN_USE.set_function(pool.checkedout)
        SIZE.set(pool.size())
    event.listen(engine.sync_engine, "before_cursor_execute", _started)
    event.listen(engine.sync_engine, "after_cursor_execute", _ended)


def _started(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    setattr(context, STARTED, time.perf_counter())


def _ended(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    STATEMENT_S.observe(time.perf_counter() - getattr(context, STARTED))
