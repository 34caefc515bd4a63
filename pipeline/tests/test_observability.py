"""Rules and dashboards are what policy.yaml says, and whoever is woken finds a page to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from release import lanes, observability, policy, slo
from release.adapters.containers.prometheus import as_envoy_says
from release.dashboards import all_dashboards, grafana, queries
from release.telemetry import Used, parse, parse_used
from release.traffic import Backend, Split

ROOT = Path(__file__).parents[2]
POLICY = policy.read(ROOT / "pipeline" / "policy.yaml")
OLD, NEW, PINNED = ("sha256:" + digit * 64 for digit in "abc")
ALERTS = [rule for group in slo.rules(POLICY)["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("name", observability.files(POLICY))
def test_what_is_committed_is_what_policy_says(name: str) -> None:
    written = (ROOT / "containers" / "observability" / name).read_text(encoding="utf-8")
    assert written == observability.files(POLICY)[name], "`make generated` renews it"


def test_no_dashboard_is_left_over() -> None:
    there = {path.name for path in (ROOT / "containers/observability/grafana/dashboards").iterdir()}
    assert there == {f"{one.uid}.json" for one in all_dashboards(POLICY)}


def test_another_slo_is_another_limit() -> None:
    """Nothing is written down twice."""
    failures = POLICY.gate.indicators.failures.model_copy(update={"slo_bad_share": 0.002})
    indicators = POLICY.gate.indicators.model_copy(update={"failures": failures})
    changed = POLICY.model_copy(update={"gate": POLICY.gate.model_copy(update={"indicators": indicators})})
    [page] = [rule for rule in slo.rules(changed)["groups"][0]["rules"] if rule.get("alert") == "FailuresBurn14_4x"]
    assert page["expr"] == "slo:failures:bad_share_1h > 0.0288 and slo:failures:bad_share_5m > 0.0288"


def test_every_slo_has_its_three_alerts_and_each_a_page_to_read() -> None:
    assert len(ALERTS) == 3 * len(POLICY.gate.indicators.by_name())
    for alert in ALERTS:
        assert (ROOT / alert["annotations"]["runbook"]).is_file()
        assert "slipway_lane_info{lane='canary'}" in alert["annotations"]["release"]
    severities = {(alert["labels"]["slo"], alert["expr"].split()[0][-2:]): alert["labels"]["severity"] for alert in ALERTS}
    assert {severities[name, "1h"] for name in POLICY.gate.indicators.by_name()} == {"page"}
    assert {severities[name, "3d"] for name in POLICY.gate.indicators.by_name()} == {"ticket"}


def test_dashboards_draw_every_query_with_its_source() -> None:
    drawn = [target for one in all_dashboards(POLICY) for panel in grafana(one)["panels"] for target in panel["targets"]]
    assert [target["expr"] for target in drawn] == [query for _, query in queries(all_dashboards(POLICY))]
    assert {target["datasource"]["uid"] for target in drawn} == {"prometheus"}
    sources = yaml.safe_load((ROOT / "containers/observability/grafana/provisioning/datasources/sources.yml").read_text())
    assert "prometheus" in {source["uid"] for source in sources["datasources"]}


def test_lanes_as_prometheus_reads_them() -> None:
    backends = [Backend(one, ("h:1",)) for one in (NEW, OLD, PINNED)]
    text = lanes.text(backends, Split(OLD, NEW, 10))
    said = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert said[f'slipway_lane_info{{release="{"b" * 12}",lane="canary",digest="{NEW}"}}'] == "1"
    weights = {line.partition("lane=")[2]: value for line, value in said.items() if "weight" in line}
    assert weights == {'"canary"}': "10", '"baseline"}': "90", '"pinned"}': "0"}
    route = lanes.routes(backends, Split(OLD), "v")["resources"][0]["virtual_hosts"][0]["routes"]
    assert {next(iter(one["match"].values())) for one in route} == {"/stats/prometheus", "/lanes"}


def test_what_prometheus_has_reads_as_what_the_edge_says() -> None:
    cluster = "release-" + "a" * 12

    def series(name: str, value: int, **labels: str) -> dict[str, object]:
        return {
            "metric": {"__name__": f"envoy_cluster_upstream_rq{name}", "envoy_cluster_name": cluster, **labels},
            "value": [0, str(value)],
        }

    found = [
        *(series(name, value) for name, value in (("_completed", 100), ("_retry", 1), ("_timeout", 2), ("_active", 3))),
        *(series("_xx", value, envoy_response_code_class=code) for code, value in (("2", 90), ("5", 10))),
        *(series("", value, envoy_response_code=code) for code, value in (("200", 86), ("202", 4))),
        *(series("_time_bucket", value, le=le) for le, value in (("249", 80), ("3.6e+06", 98), ("+Inf", 98))),
    ]
    [counters] = parse(as_envoy_says(found), {cluster: OLD}, 250).values()
    assert (counters.completed, counters.failed, counters.timed, counters.slow, counters.broken, counters.active) == (
        100,
        11,
        100,
        20,
        4,
        3,
    )


def test_answers_by_variants_read_the_same_in_prometheus() -> None:
    cluster = "release-" + "a" * 12

    def series(what: str, value: int, **labels: str) -> dict[str, object]:
        return {"metric": {"__name__": f"envoy_variants_{what}", "envoy_cluster_name": cluster, **labels}, "value": [0, str(value)]}

    found = [series("answers", 7, used="pricing-v2=on"), series("failed", 2, used="pricing-v2=on"), series("answers", 9)]
    assert parse_used(as_envoy_says(found), {cluster: OLD}) == {OLD: {"pricing-v2=on": Used(7, failed=2), "": Used(9)}}


def test_dashboards_are_json_that_names_itself() -> None:
    for one in all_dashboards(POLICY):
        assert json.loads(json.dumps(grafana(one)))["uid"] == one.uid
