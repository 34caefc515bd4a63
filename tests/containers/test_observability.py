"""Rules, routes and dashboards on the real Prometheus and Alertmanager."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from containers.conftest import ROOT, image_of, run
from containers.test_releases import Store
from release import policy, slo
from release.dashboards import all_dashboards, queries
from release.telemetry import bucket_edge_ms

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
POLICY = policy.read(ROOT / "pipeline" / "policy.yaml")
CONFIG = ROOT / "containers" / "observability"
BIN = Path(sys.executable).parent
MINUTES = {"5m": 5, "30m": 30, "1h": 60, "6h": 360, "3d": 4320}
LE = f"{bucket_edge_ms(POLICY.gate.slow_ms):g}"


def promtool(folder: Path, *words: str) -> str:
    return run("docker", "run", "--rm", "--volume", f"{folder}:/rules:ro", "--entrypoint", "promtool", image_of("prometheus"), *words)


def series(name: str, phases: list[tuple[float, int]]) -> list[dict[str, str]]:
    """1000 answers an interval of one release; (share that is bad, intervals) one after the other."""
    labels = 'envoy_cluster_name="release-aaaaaaaaaaaa",release="aaaaaaaaaaaa"'
    parts: dict[str, list[str]] = {"all": [], "bad": [], "good": []}
    at = dict.fromkeys(parts, 0)
    for share, length in phases:
        for part, step in (("all", 1000), ("bad", round(1000 * share)), ("good", 1000 - round(1000 * share))):
            parts[part].append(f"{at[part]}+{step}x{length - 1}")
            at[part] += step * length
    values = {part: " ".join(text) for part, text in parts.items()}
    of = {
        "failures": {"_completed": "all", "_xx@envoy_response_code_class=5": "bad"},
        "client": {"_completed": "all", "@envoy_response_code=202": "bad"},
        "slow": {"_completed": "all", "_time_count": "all", f"_time_bucket@le={LE}": "good"},
    }[name]
    made = []
    for metric, part in of.items():
        suffix, _, extra = metric.partition("@")
        more = "".join(f',{key}="{value}"' for key, value in [extra.split("=")]) if extra else ""
        made.append({"series": f"envoy_cluster_upstream_rq{suffix}{{{labels}{more}}}", "values": values[part]})
    return [*made, {"series": f"envoy_cluster_upstream_rq_timeout{{{labels}}}", "values": f"0x{sum(length for _, length in phases)}"}]


def case(name: str, burn: slo.Burn, phases: list[tuple[float, int]], fires: bool) -> dict[str, Any]:
    """What fires at the end of these phases, whose lengths are in minutes; sampled six times per short window."""
    alert = f"{name.capitalize()}Burn{burn.factor:g}x".replace(".", "_")
    each = _each(burn)
    lengths = [(share, minutes // each) for share, minutes in phases]
    wanted = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else []
    query = f'count by (alertname) (ALERTS{{alertstate="firing",alertname="{alert}"}})'
    return {
        "interval": f"{each}m",
        "input_series": series(name, lengths),
        "promql_expr_test": [{"expr": query, "eval_time": f"{(sum(length for _, length in lengths) - 1) * each}m", "exp_samples": wanted}],
    }


def _each(burn: slo.Burn) -> int:
    return max(1, MINUTES[burn.short] // 6)


@pytest.mark.parametrize("burn", slo.BURNS, ids=lambda burn: f"{burn.factor:g}x")
def test_each_alert_fires_beyond_its_burn_rate_and_is_quiet_below_and_when_it_is_over(burn: slo.Burn, tmp_path: Path) -> None:
    cases, long, short = [], MINUTES[burn.long], MINUTES[burn.short]
    for name, indicator in POLICY.gate.indicators.by_name().items():
        allowed = indicator.slo_bad_share * burn.factor
        cases.append(case(name, burn, [(min(allowed * 1.2, 1), 2 * long)], fires=True))
        cases.append(case(name, burn, [(allowed * 0.9, 2 * long)], fires=False))
        cases.append(
            case(name, burn, [(min(allowed * 1.3, 1), 2 * long), (0, 2 * short)], fires=False)
        )  # the long window still is beyond it
    document = {"rule_files": ["slo.yml"], "evaluation_interval": f"{_each(burn)}m", "tests": cases}
    shutil.copy(CONFIG / "prometheus" / "slo.yml", tmp_path)
    (tmp_path / "test.yml").write_text(yaml.safe_dump(document))
    tmp_path.chmod(0o755)
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "/rules/test.yml")


def test_an_alert_names_the_release_in_progress_and_the_page(tmp_path: Path) -> None:
    [rule] = [rule for rule in slo.rules(POLICY)["groups"][0]["rules"] if rule.get("alert") == "FailuresBurn14_4x"]
    said = "The error budget of `failures` burns 14.4 times as fast as it may: 50% of answers over 1h, allowed are 1.0%. Release in progress: bbbbbbbbbbbb."
    flags = "Failed answers of the last 5 minutes, by flag variants: pricing-v2=on: 50; . Changes of flags in the last hour: 2."
    annotations = {"summary": said, "release": "bbbbbbbbbbbb", "flags": flags, "runbook": slo.RUNBOOK}
    expected = {"exp_labels": rule["labels"], "exp_annotations": annotations}
    used = {"series": 'envoy_variants_failed{release="bbbbbbbbbbbb",used="pricing-v2=on"}', "values": "0+10x120"}
    version = {"series": 'flag_snapshot_version{instance="a"}', "values": "5x60 7x60"}
    lanes = {"series": 'slipway_lane_info{release="bbbbbbbbbbbb",lane="canary"}', "values": "1x120"}
    one = {
        "interval": "1m",
        "input_series": [*series("failures", [(0.5, 120)]), lanes, used, version],
        "alert_rule_test": [{"eval_time": "100m", "alertname": "FailuresBurn14_4x", "exp_alerts": [expected]}],
    }
    shutil.copy(CONFIG / "prometheus" / "slo.yml", tmp_path)
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["slo.yml"], "evaluation_interval": "1m", "tests": [one]}))
    tmp_path.chmod(0o755)
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "/rules/test.yml")


def test_prometheus_takes_its_configuration() -> None:
    mount = ("--volume", f"{CONFIG / 'prometheus'}:/etc/prometheus:ro")
    assert "SUCCESS" in run(
        "docker",
        "run",
        "--rm",
        *mount,
        "--entrypoint",
        "promtool",
        image_of("prometheus"),
        "check",
        "config",
        "/etc/prometheus/prometheus.yml",
    )


@pytest.mark.parametrize(
    ("labels", "receiver"), [("severity=page", "on-call"), ("severity=ticket", "tickets"), ("severity=other", "tickets")]
)
def test_alertmanager_sends_each_where_it_belongs(labels: str, receiver: str) -> None:
    mount = ("--volume", f"{CONFIG / 'alertmanager'}:/etc/alertmanager:ro")
    amtool = ("docker", "run", "--rm", *mount, "--entrypoint", "amtool", image_of("alertmanager"))
    assert "SUCCESS" in run(*amtool, "check-config", "/etc/alertmanager/alertmanager.yml")
    file = "--config.file=/etc/alertmanager/alertmanager.yml"
    assert run(*amtool, "config", "routes", "test", file, labels).strip() == receiver


@pytest.fixture(scope="module")
def observed() -> Iterator[str]:
    """A store under traffic, whose Prometheus is at this address."""
    store = Store(f"test-obs-{os.getpid()}")
    traffic: subprocess.Popen[bytes] | None = None
    try:
        store.release("up", "--env", store.env, "--runtime", "compose", "--port", "0")
        address = store.release("observe", "prometheus", "alertmanager", "--env", store.env)["addresses"]["prometheus"]
        argv = [BIN / "drill", "traffic", "--env", store.env, "--rate", "40", "--for", "300"]
        traffic = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield address
    finally:
        if traffic:
            traffic.terminate()
            traffic.wait(30)
        store.release("down", "--env", store.env, "--purge")


def asked(address: str, query: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{address}/api/v1/query", params={"query": query}, trust_env=False).json()
    assert answer["status"] == "success", (query, answer)
    return list(answer["data"]["result"])


def test_every_query_of_every_dashboard_shows_something(observed: str) -> None:
    wanted = [(panel, query) for panel, query in queries(all_dashboards(POLICY)) if not panel.idle]
    end_s = time.monotonic() + 90
    empty = [query for _, query in wanted]
    while empty and time.monotonic() < end_s:
        time.sleep(1)
        empty = [query for query in empty if not _numbers(asked(observed, query))]
    assert empty == []
    for panel, query in queries(all_dashboards(POLICY)):
        if panel.idle:
            asked(observed, query)  # understood; what it shows is the host exporter's


def _numbers(found: list[dict[str, Any]]) -> bool:
    return bool(found) and all(one["value"][1] != "NaN" for one in found)


def test_lanes_and_alertmanager_are_known_to_it(observed: str) -> None:
    assert {one["metric"]["lane"] for one in asked(observed, "slipway_lane_info")} == {"baseline"}
    found = httpx.get(f"{observed}/api/v1/alertmanagers", trust_env=False).json()["data"]["activeAlertmanagers"]
    assert [one["url"] for one in found] == ["http://alertmanager:9093/api/v2/alerts"]
