"""`docker compose up`: a store that works, behind one port, with nothing more rights than it needs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from containers.conftest import ROOT, Project, run
from release import policy
from release.adapters.smoke import HttpSmoke
from release.artifact import Release
from release.compose import TREE

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
OURS = ("api-baseline", "web-blue")


def test_the_whole_journey_of_the_smoke(address: str) -> None:
    smoke = HttpSmoke(policy.read(ROOT / "pipeline" / "policy.yaml"))
    steps = smoke.check(address, Release(TREE, "tree", ("0001",), spa=True))
    assert {"order", "order_again", "page", "asset"} <= set(steps)


@pytest.mark.parametrize("service", [*OURS, "edge", "migrate"])
def test_each_has_a_read_only_root_no_capabilities_and_bounds(project: Project, address: str, service: str) -> None:
    host = project.container(service)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0


@pytest.mark.parametrize("service", OURS)
def test_what_runs_in_it_can_write_nothing_and_is_nobody(project: Project, address: str, service: str) -> None:
    tried = "id -u; touch /release/x 2>/dev/null || echo refused; grep -E '^(CapEff|NoNewPrivs):' /proc/self/status"
    said = project.compose("exec", "--no-TTY", service, "sh", "-c", tried).split()
    assert said == ["65534", "refused", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]


def test_the_password_is_in_no_environment_and_new_for_each_project(project: Project, address: str) -> None:
    password = project.compose("exec", "--no-TTY", "postgres", "cat", "/run/secrets/database_password").strip()
    assert len(password) == 32
    for service in ("postgres", "migrate", *OURS):
        assert password not in str(project.container(service)["Config"])


def test_only_the_edge_is_published_and_only_on_loopback(project: Project, address: str) -> None:
    ports = {service: project.container(service)["HostConfig"]["PortBindings"] for service in ("postgres", *OURS, "edge")}
    assert {service for service, bindings in ports.items() if bindings} == {"edge"}
    assert {binding["HostIp"] for binding in ports["edge"]["8080/tcp"]} == {"127.0.0.1"}


def test_it_answers_as_its_document_says(project: Project, address: str, tmp_path: Path) -> None:
    """Through the edge, as users reach it; what only the ops API's callers reach with a token of theirs."""
    scopes = [word for scope in ("read", "write", "kill", "freeze") for word in ("--scope", f"flags:{scope}")]
    said = project.compose("run", "--rm", "--no-TTY", "token", "create", "--name", "test", *scopes, "--expires-days", "1")
    token = next(line for line in said.splitlines() if line.startswith("slw_"))
    seed = os.environ.get("SCHEMATHESIS_SEED") or str(random.randrange(2**32))
    config = ROOT / "api" / "tests" / "schemathesis.toml"
    words = [
        "run",
        f"{address}/openapi.json",
        "--phases",
        "examples,fuzzing,stateful",
        "--seed",
        seed,
        "--max-examples",
        "40",
        "--max-time",
        "15",
        "--header",
        f"Authorization: Bearer {token}",
        "--exclude-path-regex",
        "^/ofrep/",  # until the edge sends it to the API
    ]
    argv = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), *words, "--no-color", "--generation-database", "none"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=200)
    assert done.returncode == 0, f"again with SCHEMATHESIS_SEED={seed}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"


def test_two_projects_live_side_by_side(new_project: Callable[[], Project], address: str) -> None:
    other = new_project()
    elsewhere = other.up()
    assert elsewhere != address
    body = {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}]}
    order = httpx.post(f"{address}/api/orders", json=body, headers={"idempotency-key": "one", "x-client-id": "me"}, trust_env=False).json()
    for store, status in ((address, 200), (elsewhere, 404)):
        answer = httpx.get(f"{store}/api/orders/{order['id']}", headers={"x-client-id": "me"}, trust_env=False)
        assert answer.status_code == status
    other.down()
    assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200


def test_a_restart_keeps_orders_and_password(project: Project, address: str) -> None:
    body = {"country": "DE", "lines": [{"product_id": 2, "quantity": 1}]}
    order = httpx.post(f"{address}/api/orders", json=body, headers={"idempotency-key": "two", "x-client-id": "me"}, trust_env=False).json()
    project.compose("down")
    again = project.up()
    found = httpx.get(f"{again}/api/orders/{order['id']}", headers={"x-client-id": "me"}, trust_env=False)
    assert found.json()["id"] == order["id"]


def test_the_file_is_the_only_one_and_says_what_compose_understands() -> None:
    assert [path.name for path in ROOT.glob("*compose*.y*ml")] == ["docker-compose.yml"]
    assert not list(Path(ROOT / "containers").rglob("*compose*.y*ml"))
    services = run("docker", "compose", "--profile", "canary", "config", "--services").split()
    assert {"postgres", "api-baseline", "api-canary", "web-blue", "web-green", "edge"} <= set(services)
