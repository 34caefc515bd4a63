"""The runner on our own workflows, with a Makefile that only writes down what it was asked for: every path, also those that need a host.

Which targets run, in which order, with which environment, and what happens after a failure. What the targets do is tested elsewhere.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from release import stages
from workflows.runner import COVERS, FAILURE, GITHUBS_ACTIONS, GITHUBS_TARGETS, SKIPPED, SUCCESS, Ended, Runner, UnknownAction, covered

pytestmark = pytest.mark.thorough
ROOT = Path(__file__).resolve().parents[2]
STAGES = stages.read(ROOT / "pipeline" / "stages.yaml").stages
DIGEST = "sha256:" + "4" * 64
MAKEFILE = (ROOT / "Makefile").read_text()
ALL_GREEN = re.search(r"^all-green:.*\n(?:\t.*\n)+", MAKEFILE, re.M)
STUB = """
digest: ; @echo "digest=%s"
handover: ; @mkdir -p $@ var/handover/oci && echo "$(DIGEST)" > var/handover/manifest.json && echo secret > var/handover/.hidden
receive: ; @test "$$(cat var/handover/manifest.json)" = "$(DIGEST)" && test ! -e var/handover/.hidden
drill drills: ; @mkdir -p reports && echo $@ > reports/report.json
verify: ; @test -n "$(DIGEST)" && test "$(FAIL)" != $@
up: ; @mkdir -p var/envs/$(ENVIRONMENT)
down: ; @rm -r var/envs/$(ENVIRONMENT)
report status: ; @echo "words of $@"
staging production: ; @mkdir -p var/envs/$@ && test "$(FAIL)" != $@
%%: ; @test "$(FAIL)" != $@
"""
RunIt = Callable[..., Mapping[str, Ended]]
HOST = {"SLIPWAY_HOST_RUNNER": "shop-host"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert ALL_GREEN
    root = tmp_path_factory.mktemp("repository with spaces")
    shutil.copytree(ROOT / ".github", root / ".github")
    (root / "Makefile").write_text(STUB % DIGEST + ALL_GREEN[0])
    commit(root)
    return root


def commit(root: Path) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", str(root), *words], check=True, timeout=30)


@pytest.fixture
def run(repository: Path, tmp_path: Path) -> RunIt:
    def it(name: str, event_name: str, root: Path = repository, fail: str = "", **how: Any) -> Mapping[str, Ended]:
        return Runner(root, tmp_path / "run", event_name, machine={"FAIL": fail}, **how).run(name)

    return it


def order(ended: Mapping[str, Ended]) -> list[str]:
    return [target for key, job in ended.items() if "(" not in key for target in job.targets]


CHECKS = ["lint", "types", "unit", "web-unit", "contract-check", "integration", "schema", "browser", "security"]


def test_main_without_a_host_goes_to_the_end_and_leaves_nothing(run: RunIt) -> None:
    ended = run("main", "push")
    assert {job.result for job in ended.values()} == {SUCCESS}, ended
    release = [
        "build",
        "digest",
        "handover",
        "receive",
        "verify",
        "receive",
        "staging",
        "down",
        *["rehearsal"] * 3,
        "stale-flags",
        "approval",
        "receive",
        "approvals",
        "receive",
        "production",
        "down",
    ]
    assert order(ended) == [*CHECKS, *release]
    assert [key for key in ended if key in {stage.name for stage in STAGES}] == [stage.name for stage in STAGES]
    assert ended["build"].outputs == {"digest": DIGEST}
    for key in ("verify", "staging", "approvals", "production"):
        (step,) = [step for step in ended[key].steps if step.target == key]
        assert (step.env["DIGEST"], step.env["RUNTIME"], step.env["SLIPWAY_REGISTRY"]) == (DIGEST, "embedded", "")
        assert ended[key].machine == "ubuntu-24.04"
    assert not any(job.left for job in ended.values())
    assert [(job.steps[-1].env["GROUP"], job.steps[-1].env["SPLITS"]) for key, job in ended.items() if key.startswith("rehearsal (")] == [
        ("1", "3"),
        ("2", "3"),
        ("3", "3"),
    ]


def test_main_with_a_host_rolls_out_there_on_containers(run: RunIt) -> None:
    ended = run("main", "push", variables=HOST)
    assert {job.result for job in ended.values()} == {SUCCESS}, ended
    assert order(ended)[len(CHECKS) :] == [
        "build",
        "digest",
        "handover",
        "publish",
        "receive",
        "verify",
        "receive",
        "staging",
        *["rehearsal"] * 3,
        "stale-flags",
        "approval",
        "receive",
        "approvals",
        "receive",
        "production",
    ]
    for key in ("staging", "approvals", "production"):
        assert ended[key].machine == "shop-host"
        env = next(step.env for step in ended[key].steps if step.target == key)
        assert (env["RUNTIME"], env["SLIPWAY_VAR"], env["SLIPWAY_REGISTRY"]) == ("compose", "/var/lib/slipway", "ghcr.io/local/slipway")
    assert next(step.env["USERS"] for step in ended["production"].steps if step.target == "production") == "1"


@pytest.mark.parametrize("private", [False, True])
def test_who_made_it_is_asked_before_it_is_taken_over(run: RunIt, private: bool) -> None:
    """Attestations of a private repository need a plan of GitHub's."""
    ended = run("main", "push", event={"repository": {"private": private}})
    for key in ("verify", "staging", "approvals", "production"):
        targets = [step.target for step in ended[key].steps if step.outcome == SUCCESS and step.target]
        assert targets[:2] == (["receive", key] if private else ["attested", "receive"])


@pytest.mark.parametrize("failing", [stage for stage in STAGES if stage.part != "production"] + [STAGES[-2]], ids=lambda stage: stage.name)
def test_nothing_behind_a_red_gate_runs(run: RunIt, failing: stages.Stage) -> None:
    ended = run("main", "push", fail=failing.run)
    every = stages.Stages(stages=STAGES)
    assert ended[failing.name].result == FAILURE
    for stage in STAGES:
        if failing.name in every.behind(stage.name):
            assert ended[stage.name].result == SKIPPED, ended[stage.name]
            assert ended[stage.name].targets == []
    assert not any(job.left for job in ended.values()), "a red staging goes, too"


@pytest.mark.parametrize(("fail", "result"), [("", SUCCESS), ("lint", FAILURE), ("browser", FAILURE)])
def test_all_green_is_what_all_others_are(run: RunIt, fail: str, result: str) -> None:
    ended = run("pull-request", "pull_request", fail=fail)
    assert ended["all-green"].result == result, ended["all-green"]
    assert ended["checks"].result == result
    assert not ended["preview"].left


def test_a_preview_that_is_red_is_seen_goes_and_tells(run: RunIt, repository: Path, tmp_path: Path) -> None:
    root = shutil.copytree(repository, tmp_path / "copy")
    (root / "Makefile").write_text((root / "Makefile").read_text().replace("drill drills: ;", "drill: ; @false\ndrills: ;"))
    commit(root)
    ended = run("pull-request", "merge_group", root=root, variables={"SLIPWAY_PREVIEW_RUNTIME": "embedded"})
    assert (ended["preview"].result, ended["all-green"].result, ended["checks"].result) == (FAILURE, FAILURE, SUCCESS)
    assert ended["preview"].targets == ["up", "drill", "report", "down"]
    assert ended["preview"].summary == "words of report\n"
    assert ended["preview"].left == ()


@pytest.mark.parametrize("results", ["success failure", "success skipped", "success cancelled", "", "success failure success"])
def test_make_all_green_accepts_nothing_else(results: str) -> None:
    for value, code in ((results, 2), ("success success", 0)):
        done = subprocess.run(["make", "-s", "all-green", f"RESULTS={value}"], cwd=ROOT, capture_output=True, timeout=60, check=False)
        assert done.returncode == code, value


def test_a_rollback_on_a_host(run: RunIt) -> None:
    asked = {"environment": "production", "digest": DIGEST, "reason": "prices; $(rm -rf /)"}
    ended = run("rollback", "workflow_dispatch", variables={**HOST, "SLIPWAY_ROLLBACK_RUNNER": "way-back"}, inputs=asked)["rollback"]
    assert (ended.result, ended.targets, ended.machine) == (SUCCESS, ["rollback", "status"], "way-back")
    env = next(step.env for step in ended.steps if step.target == "rollback" and step.outcome == SUCCESS)
    assert (env["ENVIRONMENT"], env["TO"], env["REASON"], env["RUNTIME"]) == ("production", DIGEST, asked["reason"], "compose")
    assert ended.summary == "words of status\n"


def test_a_rollback_without_a_host_is_a_rehearsal(run: RunIt) -> None:
    ended = run("rollback", "workflow_dispatch", inputs={"environment": "production", "reason": "x"})["rollback"]
    assert (ended.result, ended.targets, ended.left) == (SUCCESS, ["staging", "rollback", "down"], ())


@pytest.mark.parametrize(
    ("event", "inputs", "target", "scenario"),
    [("schedule", {}, "drills", ""), ("workflow_dispatch", {"scenario": "bad-release"}, "drill", "bad-release")],
)
def test_drills(run: RunIt, event: str, inputs: dict[str, str], target: str, scenario: str, tmp_path: Path) -> None:
    ended = run("drill", event, inputs=inputs)["drill"]
    assert (ended.result, ended.targets) == (SUCCESS, [target, "report"])
    assert next(step.env["S"] for step in ended.steps if step.target == target) == scenario
    assert (tmp_path / "run" / "artifacts" / "reports" / "report.json").read_text() == f"{target}\n"


@pytest.mark.parametrize(
    ("event", "skipped"),
    [("pull_request", {"scorecard"}), ("push", {"dependencies"}), ("schedule", {"dependencies"})],
    ids=str,
)
def test_security(run: RunIt, event: str, skipped: set[str]) -> None:
    ended = run("security", event)
    assert {key for key, job in ended.items() if job.result == SKIPPED} == skipped
    assert order(ended) == ["security", "scan"]


def test_what_ran_already_is_said_so_and_not_run(run: RunIt) -> None:
    ended = run("main", "push", done=covered("test check"))
    assert order(ended)[:2] == ["security", "build"]
    assert {step.why for step in ended["unit"].steps if step.target} == {"already run"}


def test_an_action_on_no_list_is_an_error(run: RunIt, repository: Path, tmp_path: Path) -> None:
    root = shutil.copytree(repository, tmp_path / "copy")
    path = root / ".github" / "workflows" / "drill.yml"
    path.write_text(path.read_text().replace("actions/upload-artifact@", "ada/upload@"))
    commit(root)
    with pytest.raises(UnknownAction, match="ada/upload"):
        run("drill", "schedule", root=root)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('echo "digest=', 'echo "digest ', "build"),
        ("@mkdir -p $@ var/handover/oci && ", "@exit 0; ", "build"),
        ("digest: ; @echo", "digest: ; @exit 0; echo", "verify"),
    ],
)
def test_what_one_job_does_not_hand_on_is_red(run: RunIt, repository: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    root = shutil.copytree(repository, tmp_path / "copy")
    text = (root / "Makefile").read_text()
    assert old in text
    (root / "Makefile").write_text(text.replace(old, new))
    commit(root)
    ended = run("main", "push", root=root)
    assert next(key for key, job in ended.items() if job.result == FAILURE) == said, ended
    assert ended["production"].targets == []


def test_an_empty_digest_is_not_this_machines_own() -> None:
    """A build that tells no digest must not let each job build one for itself."""
    for target in ("verify", "staging", "production", "publish", "handover", "scan"):
        asked, own = (
            subprocess.run(["make", "-n", target, *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
            for more in (["DIGEST="], [])
        )
        assert re.search(r"release build (?!.*--commit)", own), target
        assert not re.search(r"release build (?!.*--commit)", asked), target


def test_no_list_names_what_is_gone() -> None:
    text = "".join(path.read_text() for path in (ROOT / ".github").rglob("*.yml"))
    assert [name for name in GITHUBS_ACTIONS if f"{name}@" not in text] == []
    assert [name for name in GITHUBS_TARGETS if f"make {name}" not in text] == []


COLLECT = """
import sys, pytest
class Markers:
    def pytest_collection_modifyitems(self, items):
        print(*{" ".join(sorted({mark.name for mark in item.iter_markers()})) for item in items}, sep="\\n", file=sys.__stderr__)
sys.exit(pytest.main(["--collect-only", "-qq"], plugins=[Markers()]))
"""


@pytest.fixture(scope="module")
def markers() -> set[frozenset[str]]:
    """Of all tests that there are."""
    done = subprocess.run([sys.executable, "-c", COLLECT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {frozenset(line.split()) for line in done.stderr.splitlines()}


def selected(target: str, markers: set[frozenset[str]]) -> set[frozenset[str]]:
    """Which of them a target runs."""
    said = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    rules = re.findall(r'pytest .*?-m "?((?<=")[^"]+|[a-z]+)', said)
    names = frozenset().union(*markers, *map(frozenset, [re.findall(r"(?!and\b|or\b|not\b)[a-z]+", rule) for rule in rules]))
    return {marks for marks in markers for rule in rules if eval(rule, {}, {name: name in marks for name in names})}


def test_what_a_target_covers(markers: set[frozenset[str]]) -> None:
    """Whatever tests these stages select, `make test` runs them, too; and what they do beside tests."""
    whole = selected("test", markers)
    assert frozenset() in whole
    assert any("alone" in marks for marks in whole)
    for target in COVERS["test"]:
        if target != "web-unit":
            assert selected(target, markers), f"{target} selects no tests"
            assert selected(target, markers) <= whole, target
    assert re.search(r"^check: lint types", MAKEFILE, re.M)
    assert re.search(r"^test: unit .*web-unit", MAKEFILE, re.M)
    assert "def test_the_command_says_the_same_anywhere" in (ROOT / "api/tests/test_document.py").read_text(), (
        "it runs `python -m contract check`"
    )
    assert set(COVERS["check"]) == {"lint", "types"}
    assert set(COVERS["security"]) == {"security"}


def test_an_unknown_name_of_what_ran_is_an_error() -> None:
    with pytest.raises(ValueError, match="lunch"):
        covered("test lunch")
    assert covered("") == frozenset()
