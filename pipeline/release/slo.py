"""The SLOs of policy.yaml as Prometheus rules: multiwindow, multi-burn-rate alerts over 30 days. Pure.

Source: Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs", method 6. https://sre.google/workbook/alerting-on-slos/
They are not for low traffic: with ten requests an hour, one failure is a tenth of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from release.policy import Policy
from release.telemetry import bucket_edge_ms

Json = dict[str, Any]
WINDOW = "30d"
RUNBOOK = "runbooks/slo-burn.md"
OURS = 'release!=""'  # clusters of releases; those of pages and of the metrics themselves have no such label


@dataclass(frozen=True)
class Burn:
    """Fires while the budget burns `factor` times as fast as it may, over both windows."""

    factor: float
    long: str
    short: str
    severity: str


BURNS = (Burn(14.4, "1h", "5m", "page"), Burn(6, "6h", "30m", "page"), Burn(1, "3d", "6h", "ticket"))
WINDOWS = ("5m", "30m", "1h", "6h", "3d")


@dataclass(frozen=True)
class Counts:
    """PromQL of bad and of all answers, `{by}` and `{window}` still open. What users got: an attempt that was answered elsewhere is the gate's to judge."""

    bad: str
    all: str

    def share(self, window: str, by: str = "") -> str:
        return f"({self.of(self.bad, window, by)}) / ({self.of(self.all, window, by)})"

    @staticmethod
    def of(text: str, window: str, by: str = "") -> str:
        return text.replace("$by", f" by ({by})" if by else "").replace("$w", window)


def _rate(name: str, labels: str = "") -> str:
    return f"sum$by (rate(envoy_cluster_upstream_rq_{name}{{{OURS}{labels}}}[$w]))"


def used(series: str) -> str:
    """Answers, failed or slow ones per second, by the flag variants that they used."""
    return f'sum by (release, used) (rate(envoy_variants_{series}{{{OURS},used!=""}}[1m]))'


def _or_none(expression: str, there: str) -> str:
    """A counter comes into being with its first answer: until then it is 0 wherever the other one is."""
    return f"({expression} or {there} * 0)"


def counts(slow_ms: int) -> dict[str, Counts]:
    """By the indicator's name."""
    completed, timeouts, timed = _rate("completed"), _rate("timeout"), _rate("time_count")
    failed = _or_none(_rate("xx", ',envoy_response_code_class="5"'), completed)
    fast = _rate("time_bucket", f',le="{bucket_edge_ms(slow_ms):g}"')
    return {
        "failures": Counts(failed, completed),
        "slow": Counts(f"{timed} - {fast} + {timeouts}", f"{timed} + {timeouts}"),
        "client": Counts(_or_none(_rate("", ',envoy_response_code="202"').replace("upstream_rq_{", "upstream_rq{"), completed), completed),
    }


def rules(policy: Policy) -> Json:
    """What Prometheus reads as a rule file."""
    return {
        "groups": [
            {"name": "slo", "interval": "15s", "rules": [rule for name in counts(policy.gate.slow_ms) for rule in _rules(policy, name)]}
        ]
    }


def _rules(policy: Policy, name: str) -> list[Json]:
    of, allowed = counts(policy.gate.slow_ms)[name], policy.gate.indicators.by_name()[name].slo_bad_share
    recorded = [{"record": series(name, window), "expr": of.share(window)} for window in WINDOWS]
    left = {"record": f"slo:{name}:budget_left", "expr": f"1 - ({of.share(WINDOW)}) / {allowed:g}"}
    return [*recorded, left, *(_alert(name, allowed, burn) for burn in BURNS)]


def series(name: str, window: str) -> str:
    return f"slo:{name}:bad_share_{window}"


def _alert(name: str, allowed: float, burn: Burn) -> Json:
    limit = f"{burn.factor * allowed:g}"
    canary = "{{ with query \"slipway_lane_info{lane='canary'} == 1\" }}{{ (index . 0).Labels.release }}{{ else }}none{{ end }}"
    failed = "topk(3, sum by (used) (increase(envoy_variants_failed{used!=''}[5m])) > 0)"
    variants = '{{ range query "' + failed + '" }}{{ .Labels.used }}: {{ .Value | printf "%.0f" }}; {{ else }}none{{ end }}'
    since = "max(flag_snapshot_version) - max(flag_snapshot_version offset 1h)"
    changed = '{{ with query "' + since + '" }}{{ . | first | value }}{{ else }}unknown{{ end }}'
    return {
        "alert": f"{name.capitalize()}Burn{burn.factor:g}x".replace(".", "_"),
        "expr": f"{series(name, burn.long)} > {limit} and {series(name, burn.short)} > {limit}",
        "labels": {"severity": burn.severity, "slo": name},
        "annotations": {
            "summary": f"The error budget of `{name}` burns {burn.factor:g} times as fast as it may: {{{{ $value | humanizePercentage }}}} of answers"
            f" over {burn.long}, allowed are {allowed:.1%}. Release in progress: {canary}.",
            "release": canary,
            "flags": f"Failed answers of the last 5 minutes, by flag variants: {variants}. Changes of flags in the last hour: {changed}.",
            "runbook": RUNBOOK,
        },
    }
