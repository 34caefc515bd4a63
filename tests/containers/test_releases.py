"""The engine on containers: the drill, and what must hold when registry, engine or an instance is gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from containers.conftest import ROOT, run
from release import errors
from release.adapters.containers.project import Project
from release.home import Home, short

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
BIN = Path(sys.executable).parent
HEALTHY = ROOT / "drills" / "faults" / "healthy-release.patch"


@dataclass
class Store:
    env: str

    def release(self, *words: str, code: int = 0, **environ: str) -> dict[str, Any]:
        done = subprocess.run(
            [BIN / "release", *words, "--json"],
            cwd=ROOT,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, (words, done.stdout[-2000:], done.stderr[-2000:])
        return dict(json.loads(done.stdout))

    @property
    def project(self) -> Project:
        return Project(Home(ROOT), self.env)

    def status(self) -> dict[str, Any]:
        return self.release("status", "--env", self.env)

    def instances(self, digest: str) -> list[str]:
        return next(one["instances"] for one in self.status()["releases"] if one["digest"] == digest)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    one = Store(f"test-{uuid.uuid4().hex[:8]}")
    yield one
    one.release("down", "--env", one.env, "--purge")
    label = f"label=com.docker.compose.project={one.project.name}"
    for what in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
        assert run("docker", *what, "--quiet", "--filter", label) == "", what


@pytest.fixture(scope="module")
def up(store: Store) -> dict[str, Any]:
    return store.release("up", "--env", store.env, "--runtime", "compose", "--port", "0")


@pytest.fixture(scope="module")
def candidate(store: Store, up: dict[str, Any]) -> str:
    """Another release, healthy, in the registry."""
    digest = str(store.release("build", "--runtime", "compose", "--patch", str(HEALTHY))["digest"])
    store.release("publish", digest, "--env", store.env)
    return digest


def test_each_release_runs_by_digest_hardened_and_behind_the_edge(store: Store, up: dict[str, Any]) -> None:
    baseline = up["baseline"]
    assert httpx.get(f"{up['address']}/version", trust_env=False).json()["digest"] == baseline
    found = store.project.docker.containers(store.project.name, slipway__digest=baseline)
    assert len(found) == 3  # two of the API, one of the pages
    for container in found:
        assert container["Image"].endswith(f"@{baseline}")
        settings = json.loads(run("docker", "inspect", container["Id"]))[0]["HostConfig"]
        assert (settings["ReadonlyRootfs"], settings["CapDrop"], settings["PortBindings"] or {}) == (True, ["ALL"], {})
    assert store.release("verify", baseline, "--env", store.env)["verified"]


def test_an_instance_that_died_is_replaced_and_its_twin_kept(store: Store, up: dict[str, Any]) -> None:
    before = store.instances(up["baseline"])
    victim = f"{store.project.name}-release-{short(up['baseline'])}-0"
    run("docker", "kill", victim)
    assert httpx.get(f"{up['address']}/readyz", trust_env=False).status_code == 200
    store.release("up", "--env", store.env)
    assert len(store.instances(up["baseline"])) == 2
    assert before[1] in store.instances(up["baseline"])


def test_a_flag_is_set_frozen_and_killed_as_on_processes(store: Store, up: dict[str, Any]) -> None:
    def flag(*words: str, code: int = 0, **environ: str) -> dict[str, Any]:
        return store.release("flag", *words, "--env", store.env, code=code, **environ)

    def quoted() -> tuple[str, int]:
        basket = {"country": "DE", "lines": [{"product_id": 1, "quantity": 3}]}
        answer = httpx.post(f"{up['address']}/api/quotes", json=basket, headers={"x-client-id": "somebody"}, trust_env=False)
        return answer.headers["x-variants"], answer.json()["volume_discount_cents"]

    flag("set", "pricing-v2", "--enable", "--percentage", "100", "--reason", "test")
    assert _until(lambda: {quoted()[0] for _ in range(8)} == {"pricing-v2=on"}, 10), "every instance hears of it"
    assert quoted()[1] > 0
    store.release("freeze", "--env", store.env, "--reason", "incident 7")
    assert flag("set", "pricing-v2", "--percentage", "5", "--reason", "test", code=36)["error"] == "FlagsFrozen"
    flag("kill", "pricing-v2", "--reason", "wrong totals")
    assert _until(lambda: {quoted() for _ in range(8)} == {("pricing-v2=default", 0)}, 10)
    store.release("unfreeze", "--env", store.env, "--reason", "found")
    newest = store.status()["flags"]["changes"]
    assert [one["action"] for one in newest[:3]] == ["flags_unfrozen", "flag_killed", "flags_frozen"]
    made = store.release("token", "create", "--name", "reader", "--scope", "flags:read", "--expires-days", "1", "--env", store.env)
    assert flag("kill", "pricing-v2", "--reason", "x", code=38, SLIPWAY_OPS_TOKEN=made["token"])["error"] == "TokenRefused"


def test_what_the_registry_lacks_is_not_deployed(store: Store, up: dict[str, Any]) -> None:
    unpublished = store.release("build", "--runtime", "compose", "--patch", str(ROOT / "drills/faults/slow-release.patch"))["digest"]
    said = store.release("deploy", unpublished, "--env", store.env, "--reason", "test", code=errors.UnknownDigest.exit_code)
    assert "release publish" in said["remedy"]
    assert store.status()["rollout"] is None


def test_a_registry_that_goes_away_mid_rollout_does_not_block_the_way_back(store: Store, up: dict[str, Any], candidate: str) -> None:
    deploy = subprocess.Popen(
        [BIN / "release", "deploy", candidate, "--env", store.env, "--reason", "test", "--json"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert _until(lambda: (store.status()["rollout"] or {}).get("phase") == "baking", 90)
        registry = store.project.service("registry")
        assert registry
        run("docker", "rm", "--force", registry["Id"])
        run("docker", "kill", f"{store.project.name}-release-{short(up['baseline'])}-1")  # what goes back to must be started, too
        ended = store.release("rollback", "--env", store.env, "--reason", "registry away")
        assert ended["outcome"] == "aborted"
    finally:
        deploy.wait(60)
    status = store.status()
    assert {one["digest"]: one["weight_pct"] for one in status["releases"]}[up["baseline"]] == 100
    assert candidate in status["quarantined"]
    store.release("up", "--env", store.env)  # nothing of the baseline needs the registry to be started again
    assert len(store.instances(up["baseline"])) == 2
    assert httpx.get(f"{up['address']}/readyz", trust_env=False).status_code == 200


def test_the_drill_is_the_same_on_containers() -> None:
    done = subprocess.run(
        [BIN / "drill", "run", "--runtime", "compose", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    report = json.loads(done.stdout)
    folder = ROOT / "reports" / report["run"]
    try:
        assert (report["outcome"], report["runtime"]) == ("pass", "compose"), report["checks"]
        assert report["times"]["revert_s"] is not None
        assert (folder / "report.html").is_file()
        assert run("docker", "ps", "--all", "--quiet", "--filter", "name=slipway-drill-") == ""
    finally:
        shutil.rmtree(folder)


def test_without_an_engine_it_says_what_to_do(tmp_path: Path) -> None:
    env = f"test-{uuid.uuid4().hex[:8]}"
    nobody = Store(env)
    try:
        said = nobody.release("up", "--env", env, "--runtime", "compose", code=45, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
        assert (said["error"], said["runbook"]) == ("MachineLacks", "runbooks/containers.md")
        assert "DOCKER_HOST" in said["remedy"]
        said = nobody.release("build", "--runtime", "compose", "--patch", str(HEALTHY), code=45, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
        assert "DOCKER_HOST" in said["remedy"]
    finally:
        shutil.rmtree(Home(ROOT).env(env), ignore_errors=True)


def test_an_environment_keeps_its_runtime(store: Store, up: dict[str, Any]) -> None:
    said = store.release("up", "--env", store.env, "--runtime", "embedded", code=2)
    assert "compose runtime" in said["what"]


def _until(true: Any, patience_s: float) -> bool:
    end_s = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.2)
    return True
