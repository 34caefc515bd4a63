"""Our workflows as GitHub runs them for a fork that has no host and no secret: each job from a clean clone, on the embedded runtime, to the end.

What this machine has run already (SLIPWAY_TARGETS_RUN="test check security", as .ci/run says) is not run again; by default all of it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from policies import policy_file

from workflows.runner import SUCCESS, TARGETS_RUN, Ended, Runner, covered

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(7200)]
ROOT = Path(__file__).resolve().parents[2]
RunIt = Callable[..., Mapping[str, Ended]]
STEPS = [{"weight_pct": weight_pct, "bake_s": 0, "hold_max_s": 60} for weight_pct in (1, 10, 50, 90, 100)]


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """All steps of production, with so wide a budget that a few requests decide, and a busy neighbour does not: the way is under test here, the gate elsewhere.

    It is set as a machine's own environment; `make staging` has its own policy, and that is not touched.
    """
    return policy_file(tmp_path, STEPS, gate={"budget": 0.3, "slo_bad_share": 0.05})


@pytest.fixture
def run(tmp_path: Path) -> RunIt:
    def it(name: str, event_name: str, **how: Any) -> Mapping[str, Ended]:
        done = covered(os.environ.get(TARGETS_RUN, ""))
        ended = Runner(ROOT, tmp_path / "run", event_name, done=done, **how).run(name)
        told = "\n".join(f"{key}: {job}" for key, job in ended.items())
        print(told)
        assert {job.result for job in ended.values()} == {SUCCESS}, told
        assert not any(job.left for job in ended.values()), "an environment was left behind"
        return ended

    return it


def log(job: Ended, target: str) -> str:
    (step,) = [step for step in job.steps if step.target == target and step.log]
    assert step.log
    return step.log.read_text()


def test_a_commit_on_main_goes_to_production(run: RunIt, quick: Path) -> None:
    ended = run("main", "push", machine={"SLIPWAY_POLICY": str(quick)})
    digest = ended["build"].outputs["digest"]
    assert digest.startswith("sha256:")
    assert digest[:19].removeprefix("sha256:") in log(ended["verify"], "verify")
    for key in ("staging", "production"):
        assert digest.removeprefix("sha256:")[:12] in log(ended[key], key)
    assert "approved by" in log(ended["approval"], "approval")


def test_a_pull_request_is_previewed_and_all_green(run: RunIt) -> None:
    ended = run("pull-request", "pull_request", variables={"SLIPWAY_PREVIEW_RUNTIME": "embedded"})
    assert ended["preview"].targets == ["up", "drill", "report", "down"]
    assert ended["preview"].summary.startswith("# ")


def test_a_rollback_is_rehearsed(run: RunIt) -> None:
    ended = run("rollback", "workflow_dispatch", inputs={"environment": "production", "reason": "a rehearsal"})
    assert ended["rollback"].targets == ["staging", "rollback", "down"]


def test_a_drill_by_hand(run: RunIt, tmp_path: Path) -> None:
    ended = run("drill", "workflow_dispatch", inputs={"scenario": "crash-on-start"})
    assert ended["drill"].targets == ["drill", "report"]
    assert ended["drill"].summary.startswith("# "), "GitHub shows it as Markdown"
    (report,) = (tmp_path / "run" / "artifacts" / "reports").rglob("report.json")
    assert json.loads(report.read_text())["outcome"] == "pass"
