"""The store on a real Docker engine: one project per test session, gone afterwards with its volumes and images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*argv: str, **environ: str) -> str:
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **environ}, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def image_of(service: str) -> str:
    """As docker-compose.yml names it here."""
    said = json.loads(run("docker", "compose", "--profile", "*", "config", "--format", "json"))
    return str(said["services"][service]["image"])


class Project:
    """`docker compose` under a name of its own, on any free port."""

    def __init__(self) -> None:
        self.name = f"slipway-test-{uuid.uuid4().hex[:8]}"

    def compose(self, *words: str) -> str:
        return run("docker", "compose", "--project-name", self.name, *words, PORT="0")

    def up(self) -> str:
        """The address, when all that it needs is healthy."""
        self.compose("up", "--detach", "--wait", "--no-build")
        return f"http://{self.compose('port', 'edge', '8080').strip()}"

    def container(self, service: str) -> dict[str, Any]:
        found = self.compose("ps", "--all", "--quiet", service).split()
        return dict(json.loads(run("docker", "inspect", found[0]))[0])

    def down(self) -> None:
        self.compose("--profile", "canary", "down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed: install Docker with compose and buildx.")
    said = subprocess.run(["docker", "info"], check=False, capture_output=True, text=True, timeout=60)
    if said.returncode:
        pytest.skip(f"No Docker engine answers; start it, or set DOCKER_HOST: {said.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """This tree's image, as `make image` builds it."""
    name = f"slipway-test-{uuid.uuid4().hex[:8]}:tree"
    run("docker", "buildx", "build", "--quiet", "--provenance=false", "--load", "--tag", name, ".")
    yield name
    run("docker", "image", "rm", "--force", name)


@pytest.fixture(scope="session")
def new_project(image: str) -> Iterator[Callable[[], Project]]:
    made: list[Project] = []

    def new() -> Project:
        made.append(Project())
        run("docker", "tag", image, f"{made[-1].name}-release:tree")
        return made[-1]

    yield new
    for project in made:
        project.down()
        run("docker", "image", "rm", "--force", f"{project.name}-release:tree")
        assert run("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project.name}") == ""
        assert run("docker", "volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project.name}") == ""


@pytest.fixture(scope="session")
def project(new_project: Callable[[], Project]) -> Project:
    return new_project()


@pytest.fixture(scope="session")
def address(project: Project) -> str:
    return project.up()
