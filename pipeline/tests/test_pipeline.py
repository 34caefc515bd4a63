"""A pipeline of real processes: order, the first failure, Ctrl-C, and what is told of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from release.pipeline_report import markdown, report
from release.stages import Done, Outcome, Stage, Wanted

pytestmark = pytest.mark.thorough
BIN = Path(sys.executable).parent
STAGES = """
stages:
  - {name: lint, part: check, run: lint, what: quick}
  - {name: unit, part: check, run: unit, what: slower}
  - {name: build, part: release, run: build, needs: [lint, unit], what: one}
  - {name: staging, part: staging, run: staging, needs: [build], what: two}
  - {name: production, part: production, run: production, needs: [staging], what: three}
"""
MAKEFILE = """
lint unit build staging production:
	@echo $@ >> order; echo "words of $@"; $($(@)_DOES)
down:
	@echo "down $(ENVIRONMENT)" >> order
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "policy.yaml").touch()
    (tmp_path / "pipeline" / "stages.yaml").write_text(STAGES)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    return tmp_path


def pipeline(home: Path, *words: str, **does: str) -> subprocess.Popen[str]:
    argv = [str(BIN / "release"), "pipeline", "--json", *words]
    environ = {**os.environ, "SLIPWAY_HOME": str(home), **{f"{name}_DOES": what for name, what in does.items()}}
    argv = ["sh", "-c", 'trap "" INT; exec "$0" "$@"', *argv]  # as a shell starts it in the background
    return subprocess.Popen(argv, cwd=home, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def order(home: Path) -> list[str]:
    return (home / "order").read_text().splitlines()


def test_stages_run_in_order_up_to_production_which_waits_for_a_yes(home: Path) -> None:
    run = pipeline(home)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    found = json.loads(said)
    assert sorted(order(home)[:2]) == ["lint", "unit"]
    assert order(home)[2:4] == ["build", "staging"]
    assert "production" not in order(home)
    assert found["outcome"] == "passed"
    assert {row["stage"]: row["outcome"] for row in found["stages"]}["production"] == "left out"
    assert 0 < found["feedback_s"] <= found["released_s"] <= found["took_s"]
    assert (Path(found["report"]) / "logs" / "build.log").read_text() == "words of build\n"


def test_with_a_yes_it_goes_on_to_production(home: Path) -> None:
    run = pipeline(home, "--approved-by", "ada")
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert "production" in order(home)


def test_what_it_brought_up_is_taken_down_and_what_was_there_stays(home: Path) -> None:
    (home / "var" / "envs" / "production").mkdir(parents=True)
    pipeline(home, "--approved-by", "ada", staging="mkdir -p var/envs/staging").communicate(timeout=60)
    assert order(home)[-1:] == ["down staging"]


def test_the_first_failure_stops_the_others_and_nothing_begins_after_it(home: Path) -> None:
    run = pipeline(home, lint="sleep 0.3; exit 3", unit="sleep 60")
    said, told = run.communicate(timeout=60)
    assert run.returncode == 55
    assert json.loads(said)["error"] == "StageFailed"
    assert "words of lint" in told
    assert "`make lint` runs it alone" in told
    assert sorted(order(home)) == ["lint", "unit"]
    [table] = home.glob("reports/pipeline-*/pipeline.json")
    assert {row["stage"]: row["outcome"] for row in json.loads(table.read_text())["stages"]} == {
        "lint": "failed",
        "unit": "stopped",
        "build": "left out",
        "staging": "left out",
        "production": "left out",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_nothing_of_it_runs_any_more(home: Path, number: int) -> None:
    run = pipeline(home, unit="echo $$$$ > pid; sleep 60")
    end_s = time.monotonic() + 30
    while not (home / "pid").exists() and time.monotonic() < end_s:
        time.sleep(0.05)
    run.send_signal(number)
    run.communicate(timeout=60)
    assert run.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((home / "pid").read_text()), 0)


def test_make_pipeline_is_a_make_within_a_make(home: Path) -> None:
    """Flags of the outer one, say -n or a job server, are not those of the stages."""
    shutil.copy(home / "Makefile", home / "Makefile.stages")
    environ = {**os.environ, "MAKEFLAGS": "n", "MAKELEVEL": "1", "SLIPWAY_HOME": str(home)}
    done = subprocess.run(
        [BIN / "release", "pipeline", "--until", "lint"], cwd=home, env=environ, check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0
    assert order(home) == ["lint"]


def test_the_table_says_what_did_not_run() -> None:
    stages = [
        Stage(name=name, part=part, run=name, what=name)
        for name, part in (("lint", "check"), ("staging", "staging"), ("production", "production"))
    ]
    found = report(stages[:2], {"lint": Done(Outcome.PASSED, 0, 2), "staging": Done(Outcome.STOPPED, 2, 3)}, stages[2:])
    assert (found["outcome"], found["feedback_s"], found["released_s"], found["took_s"]) == ("failed", 2.0, None, 3.0)
    assert "| production: production | left out |  |  |" in markdown(found)
    assert "| check: lint | passed | 0.0 s | 2.0 s |" in markdown(found)
    assert "first feedback after 2.0 s" in markdown(found)
    slow = report(stages[:1], {"lint": Done(Outcome.PASSED, 0, 2)}, [], Wanted(feedback_s=1.5, released_s=9))
    assert "first feedback after 2.0 s (wanted: 1.5 s)" in markdown(slow)
