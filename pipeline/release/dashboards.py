"""Grafana's dashboards as data. Every query in them is run against a real Prometheus by a test. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from release import slo
from release.policy import Policy

Json = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "prometheus"}
LANE = " * on (release) group_left (lane) slipway_lane_info"
OF_RELEASE = " * on (instance) group_left (release) slipway_instance_info"


@dataclass(frozen=True)
class Panel:
    """`lines`: legend -> PromQL. `idle`: may show nothing where nobody collects it, say on a machine without a host exporter."""

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str
    limit: float | None = None
    idle: bool = False


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    panels: tuple[Panel, ...]


def all_dashboards(policy: Policy) -> tuple[Dashboard, ...]:
    return (_releases(policy), _flags(policy), _budget(policy), _database(), _machines())


def queries(dashboards: Sequence[Dashboard]) -> Iterator[tuple[Panel, str]]:
    return ((panel, query) for dashboard in dashboards for panel in dashboard.panels for _, query in panel.lines)


def _releases(policy: Policy) -> Dashboard:
    """Rate, errors and duration of each lane, with the release that it is."""
    of, by = slo.counts(policy.gate.slow_ms), "release"
    who = "{{lane}} {{release}}"
    rate = f"sum by (release) (rate(envoy_cluster_upstream_rq_completed{{{slo.OURS}}}[1m])){LANE}"
    duration = f"sum by (le, release) (rate(http_request_duration_seconds_bucket[1m]){OF_RELEASE})"
    allowed = policy.gate.indicators.by_name()
    return Dashboard(
        "slipway-releases",
        "Releases",
        (
            Panel("Answers per second", ((who, rate),), "reqps"),
            Panel("Weight", ((who, "slipway_lane_weight_pct"),), "percent"),
            Panel("Failures", ((who, f"{of['failures'].share('1m', by)}{LANE}"),), "percentunit", allowed["failures"].slo_bad_share),
            Panel(
                f"Slower than {policy.gate.slow_ms} ms",
                ((who, f"{of['slow'].share('1m', by)}{LANE}"),),
                "percentunit",
                allowed["slow"].slo_bad_share,
            ),
            Panel(
                "Pages that broke in a browser",
                ((who, f"{of['client'].share('1m', by)}{LANE}"),),
                "percentunit",
                allowed["client"].slo_bad_share,
            ),
            Panel("p95", ((who, f"histogram_quantile(0.95, {duration}){LANE}"),), "s", policy.gate.slow_ms / 1000),
            Panel("In flight", ((who, f"sum by (release) (envoy_cluster_upstream_rq_active{{{slo.OURS}}}){LANE}"),), "short"),
        ),
    )


def _flags(policy: Policy) -> Dashboard:
    """What users with each variant get, and when flags changed: a bug behind a flag is told from a bug of the release by this."""
    allowed = policy.gate.indicators.by_name()

    def share(series: str) -> str:
        answers = slo.used("answers")
        return f"({slo.used(series)} or {answers} * 0) / {answers}"

    who = "{{lane}} {{release}} {{used}}"
    changes = f"sum by (action) (increase(flag_changes_total[5m]){OF_RELEASE})"
    return Dashboard(
        "slipway-flags",
        "Flags",
        (
            Panel("Answers per second, by variants", ((who, f"{slo.used('answers')}{LANE}"),), "reqps"),
            Panel("Failures, by variants", ((who, f"{share('failed')}{LANE}"),), "percentunit", allowed["failures"].slo_bad_share),
            Panel(
                f"Slower than {policy.gate.slow_ms} ms, by variants",
                ((who, f"{share('slow')}{LANE}"),),
                "percentunit",
                allowed["slow"].slo_bad_share,
            ),
            Panel(
                "Evaluations per second",
                (("{{flag}}={{variant}}", f"sum by (flag, variant) (rate(flag_evaluations_total[1m]){OF_RELEASE})"),),
                "ops",
            ),
            Panel("Changes within 5 minutes", (("{{action}}", changes),), "short", idle=True),
            Panel(
                "Version of the flags that an instance knows; steps are changes",
                (("{{instance}} {{release}}", f"flag_snapshot_version{OF_RELEASE}"), ("stale", f"sum(flag_snapshot_stale{OF_RELEASE})")),
                "short",
            ),
        ),
    )


def _budget(policy: Policy) -> Dashboard:
    names = tuple(policy.gate.indicators.by_name())
    left = tuple((name, f"slo:{name}:budget_left") for name in names)
    burn = tuple(
        (f"{name} {window}", f"{slo.series(name, window)} / {policy.gate.indicators.by_name()[name].slo_bad_share:g}")
        for name in names
        for window in ("5m", "1h", "6h")
    )
    alerts = (("{{alertname}}", 'count by (alertname) (ALERTS{alertstate="firing"}) or vector(0)'),)
    return Dashboard(
        "slipway-budget",
        "Error budget",
        (
            Panel("Budget left of 30 days", left, "percentunit"),
            Panel("Burn rate", burn, "short", 14.4),
            Panel("Alerts that fire", alerts, "short"),
        ),
    )


def _database() -> Dashboard:
    """Use, saturation and errors of each release's connection pools."""
    use = f"sum by (release) (db_pool_connections_in_use{OF_RELEASE}) / sum by (release) (db_pool_connections_max{OF_RELEASE})"
    statements = f"sum by (le, release) (rate(db_statement_duration_seconds_bucket[1m]){OF_RELEASE})"
    return Dashboard(
        "slipway-database",
        "Database",
        (
            Panel("Connections in use", (("{{release}}", use),), "percentunit", 1),
            Panel(
                "Waited for a connection in vain, per second",
                (("{{release}}", f"sum by (release) (rate(db_pool_timeouts_total[1m]){OF_RELEASE})"),),
                "short",
            ),
            Panel(
                "Statements per second",
                (("{{release}}", f"sum by (release) (rate(db_statement_duration_seconds_count[1m]){OF_RELEASE})"),),
                "ops",
            ),
            Panel("p95 of a statement", (("{{release}}", f"histogram_quantile(0.95, {statements})"),), "s"),
        ),
    )


def _machines() -> Dashboard:
    """Utilisation, saturation, errors: of each instance by itself, and of the host by its exporter."""
    return Dashboard(
        "slipway-machines",
        "Machines",
        (
            Panel("CPU of an instance", (("{{instance}} {{release}}", f"rate(process_cpu_seconds_total[1m]){OF_RELEASE}"),), "percentunit"),
            Panel("Memory of an instance", (("{{instance}} {{release}}", f"process_resident_memory_bytes{OF_RELEASE}"),), "bytes"),
            Panel("CPU of the host", (("in use", '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[1m]))'),), "percentunit", idle=True),
            Panel("Load per CPU", (("1 min", 'node_load1 / count(node_cpu_seconds_total{mode="idle"})'),), "short", 1, idle=True),
            Panel(
                "Memory of the host",
                (("in use", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"),),
                "percentunit",
                idle=True,
            ),
            Panel("Disk errors and waits", (("{{device}}", "rate(node_disk_io_time_weighted_seconds_total[1m])"),), "s", idle=True),
        ),
    )


def grafana(dashboard: Dashboard) -> Json:
    """https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/"""
    ledger = {
        "name": "Ledger",
        "enable": True,
        "iconColor": "blue",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "target": {"tags": ["slipway"], "type": "tags", "limit": 200},
    }
    weights = {
        "name": "Weights",
        "enable": True,
        "iconColor": "orange",
        "datasource": SOURCE,
        "expr": "changes(slipway_lane_weight_pct[5s]) > 0",
        "titleFormat": "{{lane}} {{release}}",
    }
    flags = {
        **weights,
        "name": "Flags",
        "iconColor": "purple",
        "expr": "changes(flag_snapshot_version[15s]) > 0",
        "titleFormat": "flags changed",
    }
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["slipway"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "annotations": {"list": [ledger, weights, flags]},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _panel(number: int, panel: Panel) -> Json:
    limits: list[Json] = [{"color": "green", "value": None}, *([{"color": "red", "value": panel.limit}] if panel.limit is not None else [])]
    return {
        "id": number + 1,
        "title": panel.title,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": limits},
                "custom": {"thresholdsStyle": {"mode": "line" if panel.limit is not None else "off"}},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(65 + index), "expr": query, "legendFormat": legend, "datasource": SOURCE}
            for index, (legend, query) in enumerate(panel.lines)
        ],
    }
