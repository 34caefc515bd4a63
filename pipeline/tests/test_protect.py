"""What GitHub is told: the same names as in the workflows, the same requests each time, and nobody who may go round."""

from __future__ import annotations

import fnmatch
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.protect import ASKED, BRANCH, ENVIRONMENTS, REQUIRED, Request, environments, requests, ruleset, settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def rule(kind: str) -> dict[str, Any]:
    (found,) = [one.get("parameters", {}) for one in ruleset().body["rules"] if one["type"] == kind]
    return dict(found)


def test_the_required_check_is_the_one_job_that_stands_for_all() -> None:
    (checks,) = [rule("required_status_checks")["required_status_checks"]]
    assert checks == [{"context": REQUIRED}]
    assert [job["name"] for job in WORKFLOWS["pull-request"]["jobs"].values()].count(REQUIRED) == 1


def test_main_is_reached_by_a_reviewed_pull_request_alone() -> None:
    body = ruleset().body
    assert body["enforcement"] == "active"
    assert body["bypass_actors"] == []
    assert body["conditions"] == {"ref_name": {"include": [f"refs/heads/{BRANCH}"], "exclude": []}}
    assert {"deletion", "non_fast_forward", "pull_request", "required_status_checks"} <= {one["type"] for one in body["rules"]}
    review = rule("pull_request")
    assert review["required_approving_review_count"] >= 1
    assert review["require_code_owner_review"]
    assert review["dismiss_stale_reviews_on_push"]
    assert WORKFLOWS["main"][True]["push"]["branches"] == [BRANCH], "the branch that is guarded is the one that is released"


def test_environments_are_those_of_the_workflows() -> None:
    jobs = [job for one in WORKFLOWS.values() for job in one["jobs"].values()]
    assert {job["environment"] for job in jobs if "environment" in job} == set(ENVIRONMENTS)
    assert ASKED in ENVIRONMENTS


def test_only_main_deploys_and_one_environment_asks() -> None:
    sent = environments([7, 8])
    assert len({one.path for one in sent}) == len(sent) == 2 * len(ENVIRONMENTS)
    for name in ENVIRONMENTS:
        (put,) = [one for one in sent if one.path.endswith(f"environments/{name}")]
        (policy,) = [one for one in sent if one.path.endswith(f"environments/{name}/deployment-branch-policies")]
        assert put.body["deployment_branch_policy"] == {"protected_branches": False, "custom_branch_policies": True}
        assert policy.body == {"name": BRANCH, "type": "branch"}
        assert put.body["reviewers"] == ([{"type": "User", "id": 7}, {"type": "User", "id": 8}] if name == ASKED else None)
        assert put.body["prevent_self_review"] is (name == ASKED)
    assert all(not one.body.get("reviewers") and not one.body.get("prevent_self_review") for one in environments([]))


def test_settings_pin_actions_and_give_jobs_nothing() -> None:
    bodies = {one.path.rpartition("/")[2]: one.body for one in settings()}
    assert bodies["permissions"]["sha_pinning_required"] is True
    assert bodies["workflow"] == {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}


def test_the_same_each_time_and_each_says_why() -> None:
    assert requests([1]) == requests([1])
    for one in requests([1]):
        assert isinstance(one, Request)
        assert one.why
        assert one.path.startswith("repos/{owner}/{repo}")
        json.dumps(one.body)


def test_code_owners_own_what_is_there() -> None:
    lines = [line.split() for line in (ROOT / ".github" / "CODEOWNERS").read_text().splitlines() if line and not line.startswith("#")]
    files = [
        "/" + name
        for name in subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    assert [path for path, *_ in lines if not any(name == path or (path.endswith("/") and name.startswith(path)) for name in files)] == []
    assert all(owners and all(owner.startswith("@") for owner in owners) for _, *owners in lines)
    for guarded in (
        "/db/migrations/versions/x.py",
        "/pipeline/policy.yaml",
        "/pipeline/release/protect.py",
        "/.github/workflows/main.yml",
        "/Makefile",
    ):
        assert any(fnmatch.fnmatch(guarded, path + "*") for path, *_ in lines), guarded


GH = """#!{python}
import json, pathlib, sys
state = pathlib.Path(__file__).with_name("state.json")
known = json.loads(state.read_text()) if state.exists() else {{"asked": [], "rulesets": [], "policies": []}}
method, path = sys.argv[3], sys.argv[4]
body = json.loads(sys.stdin.read()) if "--input" in sys.argv else None
answer, code = {{}}, 0
if path == "users/nobody":
    answer, code = {{"message": "Not Found"}}, 1
elif path.startswith("users/"):
    answer = {{"id": {{"ada": 11, "grace": 12}}[path[6:]]}}
elif path.endswith("/rulesets") and method == "GET":
    answer = known["rulesets"]
elif path.endswith("/rulesets") and method == "POST":
    known["rulesets"].append({{"id": 5, "name": body["name"]}})
elif path.endswith("branch-policies") and path in known["policies"]:
    answer, code = {{"message": "Branch policy already exists"}}, 1
elif path.endswith("branch-policies"):
    known["policies"].append(path)
known["asked"].append([method, path, body])
state.write_text(json.dumps(known))
print(json.dumps(answer), file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """A program that answers as GitHub does to `gh api`."""
    program = tmp_path / "gh"
    program.write_text(GH.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def protect(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": f"{path}:/nowhere" if path else "/nowhere", "SLIPWAY_HOME": str(ROOT)}
    return subprocess.run([BIN / "release", "protect", *words], env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.thorough
def test_told_twice_github_has_it_once(gh: Path) -> None:
    for _ in range(2):
        done = protect("--reviewer", "ada", "--reviewer", "grace", "--apply", "--json", path=gh.parent)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["applied"] is True
    known = json.loads((gh.parent / "state.json").read_text())
    assert len(known["rulesets"]) == 1
    assert len(known["policies"]) == len(ENVIRONMENTS)
    changes = [(method, path, body) for method, path, body in known["asked"] if method != "GET"]
    first, second = changes[: len(changes) // 2], changes[len(changes) // 2 :]
    assert [body for *_, body in first] == [body for *_, body in second]
    assert first[0][:2] == ("POST", "repos/{owner}/{repo}/rulesets")
    assert second[0][:2] == ("PUT", "repos/{owner}/{repo}/rulesets/5")
    (asked,) = [body for method, path, body in first if path.endswith(f"/{ASKED}")]
    assert [one["id"] for one in asked["reviewers"]] == [11, 12]


@pytest.mark.thorough
def test_a_person_that_github_does_not_know_changes_nothing(gh: Path) -> None:
    done = protect("--reviewer", "ada", "--reviewer", "nobody", "--apply", path=gh.parent)
    assert done.returncode != 0
    assert "users/nobody" in done.stderr
    assert "Traceback" not in done.stderr
    assert {method for method, *_ in json.loads((gh.parent / "state.json").read_text())["asked"]} == {"GET"}


@pytest.mark.thorough
def test_without_apply_it_prints_and_asks_nobody() -> None:
    done = protect("--reviewer", "ada")
    assert done.returncode == 0, done.stderr
    for one in requests([1]):
        assert f"# {one.why}\n{one.method} {one.path}\n" in done.stdout
    assert json.loads(protect("--json").stdout)["applied"] is False


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([word for number in range(7) for word in ("--reviewer", f"p{number}")], 2, "at most six"),
        (["--apply"], None, "gh is not installed"),
    ],
)
def test_a_mistake_is_said_plainly(words: list[str], code: int | None, said: str) -> None:
    done = protect(*words)
    assert done.returncode == code if code else done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
def test_six_reviewers_are_allowed() -> None:
    assert protect(*[word for number in range(6) for word in ("--reviewer", f"p{number}")]).returncode == 0
