"""Whole drills, end to end: real PostgreSQL, real Envoy, real releases, real traffic. Each leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from drill.samples import read as read_samples
from release.home import Home

pytestmark = pytest.mark.real

HOME = Home.find(Path(__file__))
DRILL = str(Path(sys.executable).with_name("drill"))
RELEASE = str(Path(sys.executable).with_name("release"))


class Started:
    """`drill …` as a process, and what it started: found by the records of its environment."""

    def __init__(self, *words: str, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [DRILL, *words], cwd=HOME.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self.pids: set[int] = set()

    def environment(self) -> Path | None:
        return next(iter((HOME.var / "envs").glob(f"drill-*{self.name}*")), None)

    def ledger(self) -> str:
        environment = self.environment()
        ledger = environment / "ledger.jsonl" if environment else None
        return ledger.read_text() if ledger and ledger.exists() else ""

    def note(self) -> None:
        """Remember every process of this drill that lives now."""
        with_children = [self.process.pid]
        if psutil.pid_exists(self.process.pid):
            with_children += [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]
        environment = self.environment()
        records = environment.glob("processes/*.json") if environment else []
        self.pids |= set(with_children) | {pid for record in records if (pid := json.loads(record.read_text())["pid"])}

    def until(self, word: str, bound_s: float = 90.0) -> None:
        """The ledger says `word`."""
        end_s = time.monotonic() + bound_s
        while word not in self.ledger():
            assert self.process.poll() is None, f"ended before {word}: {self.process.communicate()}"
            assert time.monotonic() < end_s, f"no {word} within {bound_s} s"
            time.sleep(0.05)
        self.note()

    def end(self, bound_s: float = 240.0) -> tuple[int, str, str]:
        out, said = self.process.communicate(timeout=bound_s)
        return self.process.returncode, out.decode(), said.decode()

    def left(self) -> list[str]:
        """What still runs or lies about."""
        running = [" ".join(psutil.Process(pid).cmdline()) for pid in self.pids if psutil.pid_exists(pid) and alive(pid)]
        places = [*(HOME.var / "envs").glob(f"drill-*{self.name}*"), *(HOME.var / "drills").glob(f"*{self.name}*")]
        return running + [str(place) for place in places]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """`drill("run", scenario)` of a copy under a name of its own, so that tests do not meet; its reports go when the test ends."""
    started: list[Started] = []

    def start(scenario: str, *options: str, **changes: str) -> Started:
        name = f"t{os.getpid()}-{len(started)}-{tmp_path.name[-6:].strip('_').lower().replace('_', '-')}"
        text = (HOME.root / "drills" / "scenarios" / f"{scenario}.yaml").read_text()
        for old, new in changes.items():
            assert f"{old}:" in text
            text = "\n".join(
                f"{line.split(old)[0]}{old}: {new}" if line.strip().startswith(f"{old}:") else line for line in text.splitlines()
            )
        copy = tmp_path / f"{name}.yaml"
        copy.write_text(text)
        started.append(Started("run", str(copy), *options, name=name))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
        one.process.communicate(timeout=120)
        subprocess.run([DRILL, "clean"], cwd=HOME.root, check=True, capture_output=True, timeout=120)
        for folder in HOME.reports().glob(f"*{one.name}*"):
            shutil.rmtree(folder)


def report_of(started: Started) -> dict:
    started.until("rollout_requested")
    code, out, said = started.end()
    assert code == 0, said
    report = json.loads(out)
    assert report["outcome"] == "pass", [check for check in report["checks"] if not check["held"]]
    assert not started.left()
    folder = HOME.reports() / report["run"]
    assert json.loads((folder / "report.json").read_text()) == report
    assert (folder / "report.md").exists()
    assert "</html>" in (folder / "report.html").read_text()
    assert not (folder / "logs").exists(), "logs are kept for failures"
    return report


@pytest.mark.alone
def test_a_bad_release_is_taken_back_and_the_report_says_how_fast(drill):
    report = report_of(drill("bad-release", "--json"))
    times, impact = report["times"], report["impact"]
    assert 0 <= times["revert_s"] < 1
    assert 0 < times["detect_s"] <= times["mitigate_s"] <= times["recover_s"]
    assert times["mitigate_s"] == pytest.approx(times["detect_s"] + times["revert_s"], abs=1e-3)
    assert report["gate"]["verdict"] == "FAIL"
    assert report["gate"]["evidence"] >= 100
    assert 0 < impact["lanes"]["canary"]["failed"] < 60
    assert 0 < impact["users_harmed"] <= 21, "the lane of one per cent"
    baseline = impact["lanes"]["baseline"]
    assert set(baseline["errors"]) <= {"503 overloaded", "503 database-away"}, "a busy neighbour's disk, never the way's own"
    assert baseline["failed"] <= 0.05 * baseline["requests"], baseline["errors"]
    assert report["orders"]["acknowledged"] > 0
    assert report["orders"]["held"]
    samples = read_samples(HOME.reports() / report["run"] / "samples.jsonl")
    assert len(samples) == impact["requests"] == report["client"]["arrivals"]
    assert sum(sample.failed for sample in samples) == impact["failed_requests"]
    names = [event["name"] for event in report["timeline"]]
    wanted = ["rollout_requested", "release_verified", "release_started", "smoke_passed", "impact_started", "gate_looked", "mitigated"]
    assert [name for name in names if name in wanted] == sorted((name for name in names if name in wanted), key=wanted.index)


@pytest.mark.alone
def test_a_slow_release_is_taken_back_by_the_latency_indicator_alone(drill):
    report = report_of(drill("slow-release", "--json"))
    assert report["impact"]["failed_requests"] <= 0.01 * report["impact"]["requests"], "some are a busy neighbour's"
    assert report["impact"]["slow_requests"] > 0
    assert all(reason.startswith("slow:") for reason in report["gate"]["reasons"])


@pytest.mark.alone
def test_a_release_that_crashes_on_start_meets_no_user(drill):
    report = report_of(drill("crash-on-start", "--json"))
    assert report["impact"]["lanes"]["canary"]["requests"] == 0
    assert report["impact"]["users_harmed"] == 0
    assert report["gate"]["verdict"] is None
    assert report["times"]["deploy_s"] is None


@pytest.mark.alone
def test_a_migration_that_would_lock_the_hot_table_gives_up_and_meets_no_user(drill):
    report = report_of(drill("bad-migration", "--json"))
    assert report["impact"]["lanes"]["canary"]["requests"] == 0
    assert "Given up after" in report["rollout"]["reason"]
    assert [step["held"] for step in report["steps"]] == [True]
    baseline = report["impact"]["lanes"]["baseline"]
    assert baseline["slow"] <= 0.05 * baseline["requests"], "users waited behind the migration"


def test_a_fault_that_does_not_show_makes_the_drill_invalid(drill):
    """The harmless patch under the expectations of the bad one; out of time, it is interrupted and reported."""
    started = drill("bad-release", "--json", patch="drills/faults/healthy-release.patch", max_s="12")
    started.until("split_set")
    code, out, _ = started.end()
    report = json.loads(out)
    assert (code, report["outcome"]) == (61, "invalid")
    broken = {check["name"] for check in report["checks"] if not check["held"]}
    assert {"the fault shows to users", "the rollout ends by itself"} <= broken
    assert not started.left()
    assert (HOME.reports() / report["run"] / "logs").is_dir(), "somebody will want to know why"


def test_a_patch_that_does_not_apply_ends_the_drill_with_the_engines_own_error(drill, tmp_path):
    (tmp_path / "stale.patch").write_text(
        "diff --git a/api/app/pricing.py b/api/app/pricing.py\n--- a/api/app/pricing.py\n+++ b/api/app/pricing.py\n@@ -1,1 +1,1 @@\n-gone\n+new\n"
    )
    started = drill("bad-release", "--json", patch="stale.patch")
    code, out, said = started.end()
    assert code == 16
    assert json.loads(out)["error"] == "PatchDoesNotApply"
    assert "git diff" in said
    assert "Traceback" not in said
    assert not started.left()


@pytest.mark.parametrize("moment", ["release_started", '"weight_pct":1'])
def test_ctrl_c_takes_the_release_back_and_leaves_nothing(drill, moment):
    """While the baseline starts, and while the canary has users."""
    started = drill("bad-release")
    started.until(moment)
    started.process.send_signal(signal.SIGINT)
    code, _, said = started.end(bound_s=90)
    assert code == 130, said
    assert "Traceback" not in said
    assert not started.left()


def test_a_killed_drill_is_cleaned_up_by_the_next_command(drill):
    started = drill("bad-release", rate_per_s="20")  # slowly, so that it is killed before the verdict
    started.until('"weight_pct":1')
    started.process.kill()
    started.process.wait()
    subprocess.run([DRILL, "clean"], cwd=HOME.root, check=True, capture_output=True, timeout=120)  # or a test beside us was faster
    end_s = time.monotonic() + 15  # the traffic ends by its leash, after what it has sent is answered
    while started.left() and time.monotonic() < end_s:
        time.sleep(0.1)
    assert not started.left()


def test_traffic_for_an_environment_of_somebody_else(tmp_path):
    env = f"t{os.getpid()}-traffic"
    try:
        subprocess.run([RELEASE, "up", "--env", env, "--port", "0", "--json"], cwd=HOME.root, check=True, capture_output=True, timeout=120)
        done = subprocess.run([DRILL, "traffic", "--env", env, "--for", "6"], cwd=HOME.root, check=True, capture_output=True, timeout=60)
        lines = done.stdout.decode().splitlines()
        assert "answers/s" in lines[1]
        assert "0.0% failing" in lines[1]
    finally:
        subprocess.run([RELEASE, "down", "--env", env, "--purge"], cwd=HOME.root, check=True, capture_output=True, timeout=120)


def test_traffic_needs_a_store_that_is_up():
    done = subprocess.run([DRILL, "traffic", "--env", "nobody-is-here"], cwd=HOME.root, check=False, capture_output=True, timeout=60)
    assert done.returncode == 35
    assert b"make up" in done.stderr
