"""The edge's files for docker-compose.yml are what the engine's own functions make."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from release import compose, policy, traffic
from release.traffic import Split

ROOT = Path(__file__).parents[2]
MADE = compose.edge(policy.read(ROOT / "pipeline" / "policy.yaml").gate.slow_ms)


def test_the_committed_files_are_these() -> None:
    folder = ROOT / "containers" / "edge"
    assert {path.name: json.loads(path.read_text()) for path in folder.iterdir()} == MADE, "`make generated` renews them"


def test_everyone_goes_to_the_baseline_by_the_names_of_compose() -> None:
    [routes] = MADE["rds.json"]["resources"]
    assert traffic.read_back(routes) == Split(compose.TREE)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    hosts = [
        endpoint["endpoint"]["address"]["socket_address"]["address"]
        for cluster in MADE["cds.json"]["resources"]
        for group in cluster["load_assignment"]["endpoints"]
        for endpoint in group["lb_endpoints"]
    ]
    assert hosts == ["api-baseline", "api-baseline", "web-blue"], "the second for streams of events"
    assert set(hosts) <= set(services)
