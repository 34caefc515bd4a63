"""A gate that reads the edge's counters where Prometheus keeps them. Alone in its file: no other store may take the machine from its traffic."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from containers.conftest import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
BIN = Path(sys.executable).parent


def test_a_gate_that_reads_prometheus_takes_a_bad_release_back(tmp_path: Path) -> None:
    rules = yaml.safe_load((ROOT / "pipeline" / "policy.yaml").read_text())
    rules["gate"]["reads"] = "prometheus"
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(rules))
    scenario = yaml.safe_load((ROOT / "drills" / "scenarios" / "bad-release.yaml").read_text())
    scenario["policy"] = str(tmp_path / "policy.yaml")
    scenario["release"]["patch"] = str(ROOT / scenario["release"]["patch"])
    (tmp_path / "by-prometheus.yaml").write_text(yaml.safe_dump(scenario))
    argv = [BIN / "drill", "run", str(tmp_path / "by-prometheus.yaml"), "--runtime", "compose", "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    report = json.loads(done.stdout)
    assert "run" in report, report
    try:
        assert report["outcome"] == "pass", report["checks"]
    finally:
        shutil.rmtree(ROOT / "reports" / report["run"])
