"""A Docker engine: its `docker` command for what compose and buildx do, its API for what must be known within milliseconds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from requests.exceptions import RequestException

from release.errors import MachineLacks

COMMAND_S = 300.0
GONE = (DockerException, RequestException)
REMEDY = "Start Docker, or point DOCKER_HOST at an engine that runs. The embedded runtime needs none: leave out RUNTIME=compose."


def run(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    cwd: Path | None = None,
    bound_s: float = COMMAND_S,
    show_progress: bool = False,
    from_file: Path | None = None,
    into_file: Path | None = None,
) -> bytes:
    """What `docker ARGV` prints. Raises CommandFailed with what it complained of, MachineLacks where there is no Docker.

    `show_progress`: what it complains of goes to our own stderr, as it comes.
    """
    try:
        with ExitStack() as files:
            source: dict[str, Any] = {"stdin": files.enter_context(from_file.open("rb"))} if from_file else {"input": stdin}
            done: subprocess.CompletedProcess[bytes] = subprocess.run(
                ["docker", *argv],
                **source,
                stdout=files.enter_context(into_file.open("wb")) if into_file else subprocess.PIPE,
                stderr=None if show_progress else subprocess.PIPE,
                env={**os.environ, **(environ or {})},
                cwd=cwd,
                timeout=bound_s,
                check=False,
            )
    except FileNotFoundError as problem:
        raise MachineLacks("Docker is not installed.", remedy=f"Install Docker with compose and buildx. {REMEDY}") from problem
    except subprocess.TimeoutExpired as problem:
        raise CommandFailed(f"`docker {' '.join(argv[:6])}` did not end within {bound_s:g} s.") from problem
    if done.returncode != 0:
        said = (done.stderr or b"").decode(errors="replace").strip()
        if "annot connect to the Docker daemon" in said or "failed to connect to the docker API" in said:
            raise no_engine(said)
        raise CommandFailed("\n".join(said.splitlines()[-8:]))
    return done.stdout or b""


class CommandFailed(Exception):
    """What docker said. Whoever called knows what that means for a release."""


def no_engine(said: object) -> MachineLacks:
    problem = MachineLacks(f"No Docker engine answers: {' '.join(str(said).split())[:300]}", remedy=REMEDY)
    problem.runbook = "containers.md"
    return problem


class Docker:
    """The engine's API. Every method raises MachineLacks where no engine answers."""

    @cached_property
    def api(self) -> docker.APIClient:
        """Where the `docker` command would find it: DOCKER_HOST, else the current context."""
        try:
            host = os.environ.get("DOCKER_HOST") or ContextAPI.get_current_context().Host
            return docker.APIClient(base_url=host, version="auto", timeout=60)
        except GONE as problem:
            raise no_engine(problem) from problem

    def containers(self, project: str, **labels: str) -> list[dict[str, Any]]:
        """Of a compose project, the stopped ones, too; `labels` narrow that down. About 5 ms."""
        wanted = [f"com.docker.compose.project={project}", *(f"{name.replace('__', '.')}={value}" for name, value in labels.items())]
        try:
            return list(self.api.containers(all=True, filters={"label": wanted}))
        except GONE as problem:
            raise no_engine(problem) from problem

    def local_name(self, digest: str) -> str | None:
        """`repository@digest` under which the engine has this image, whatever registry it came from."""
        try:
            names = [name for image in self.api.images() for name in image.get("RepoDigests") or ()]
        except GONE as problem:
            raise no_engine(problem) from problem
        return next((name for name in names if name.endswith(f"@{digest}")), None)

    def forget_images(self, repository: str) -> None:
        """Names below `repository`; what others still use stays."""
        with suppress(*GONE):
            for image in self.api.images():
                for name in image.get("RepoDigests") or ():
                    if name.startswith(f"{repository}@"):
                        with suppress(*GONE):
                            self.api.remove_image(name)

    def share_cpu(self, containers: Iterable[str], shares: int) -> None:
        try:
            for container in containers:
                self.api.update_container(container, cpu_shares=shares)
        except GONE as problem:
            raise no_engine(problem) from problem

    def end(self, container: str, patience_s: float) -> str:
        """Stop it, bounded, and remove it; the end of its log."""
        log = ""
        with suppress(*GONE):
            self.api.stop(container, timeout=max(1, int(patience_s)))
            log = self.log(container)
        with suppress(*GONE):
            self.api.remove_container(container, force=True)
        return log

    def log(self, container: str, lines: int = 5000) -> str:
        try:
            return str(self.api.logs(container, tail=lines).decode(errors="replace"))
        except GONE:
            return ""
