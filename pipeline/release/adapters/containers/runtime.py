"""Releases as containers: each instance is one, made from docker-compose.yml's own services, of an image by digest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

import httpx

from release.adapters import schema
from release.adapters.containers.database import PostgresContainer
from release.adapters.containers.docker import CommandFailed, run
from release.adapters.containers.project import Project
from release.adapters.files import put
from release.artifact import Release
from release.errors import BackfillUnfinished, DatabaseFailed, NeverReady, RegistryAway, TokenRefused
from release.home import short
from release.policy import Policy
from release.runtime import instance_name, origin_name, watching
from release.traffic import Backend
from release.window import Schema

PORT = 8000
POLL_S, ANSWER_S = 0.1, 1.0
STARTING = "(health: starting)"
GETTING_READY, SERVING = 128, 1024  # CPU shares, where the machine is busy: users come before a release that only starts
LABEL, ROLE = "slipway.digest", "slipway.role"
NOBODY = "127.0.0.1:1"  # seen from the edge: refused at once
API, WEB = "api-canary", "web-green"  # the services that a release is made from; the lane is the edge's word, not the container's


class Names(Protocol):
    def reference(self, digest: str) -> str:
        """`registry/repository@digest`. Raises RegistryAway."""
        ...


class ComposeRuntime:
    """Implements the port Runtime. An image that is here is not pulled again, so the way back needs no registry."""

    def __init__(self, project: Project, policy: Policy, names: Names, pause: Callable[[float], None] = time.sleep) -> None:
        self.project, self.docker, self.policy, self.names, self.pause = project, project.docker, policy, names, pause
        self.client = httpx.Client(timeout=ANSWER_S, trust_env=False)
        self.logs = project.home.env(project.env) / "logs"

    def migrate(self, release: Release) -> None:
        self._migrate(release)

    def downgrade(self, release: Release, revision: str) -> None:
        self._migrate(release, "downgrade", revision)

    def _migrate(self, release: Release, *steps: str) -> None:
        variables = self._as_baseline(release)
        try:
            command = ("migrate", "migrate", *steps) if steps else ("migrate",)  # the service, and its role
            self.project.compose("run", "--rm", "--no-deps", "--no-TTY", *command, **variables)
        except CommandFailed as problem:
            raise DatabaseFailed(f"The migrations of {short(release.digest)} failed:\n{problem}") from problem

    def schema(self) -> Schema | None:
        database = PostgresContainer(self.project)
        database.ensure()
        return schema.read(database.psql)

    def tokens(self, release: Release, words: Sequence[str]) -> str:
        variables = self._as_baseline(release)
        try:
            said = self.project.compose("--profile", "token", "run", "--rm", "--no-deps", "--no-TTY", "token", *words, **variables)
        except CommandFailed as problem:
            raise TokenRefused(f"{short(release.digest)} says: {problem}", remedy="`release token --help` has examples.") from problem
        return said.strip()

    def backfill(self, release: Release, words: Sequence[str]) -> str:
        variables = self._as_baseline(release)
        watched = watching(self._backend(release.digest).instances)
        try:
            argv = ("--profile", "backfill", "run", "--rm", "--no-deps", "--no-TTY", "backfill", *watched, *words)
            return self.project.compose_for_long(*argv, **variables).strip()
        except CommandFailed as problem:
            raise BackfillUnfinished(f"The backfill of {short(release.digest)} came to no end: {problem}") from problem

    def start(self, release: Release) -> Backend:
        """Instances that live are kept: one that died must not cost the users of its twin."""
        there = self._containers(release.digest)
        missing = [name for name in self._names(release) if not _lives(there.get(name))]
        if missing:
            image = self._image(release.digest)
            for name in missing:
                if name in there:
                    self.docker.end(there[name]["Id"], 1)
            try:
                for name in missing:  # not at once: what serves users needs the machine, too
                    self._spawn(release, name, image)
                self._wait_ready(release)
                self.docker.share_cpu([container["Id"] for container in self._containers(release.digest).values()], SERVING)
            except BaseException:
                self._end([container for name, container in self._containers(release.digest).items() if name in missing])
                raise
        return self._backend(release.digest)

    def alive(self, digest: str) -> Backend | None:
        backend = self._backend(digest)
        return backend if backend.instances else None

    def stop(self, digest: str) -> None:
        self._end(list(self._containers(digest).values()))

    def running(self) -> Sequence[str]:
        there = (one for one in self.docker.containers(self.project.name) if LABEL in one["Labels"] and _lives(one))
        return list(dict.fromkeys(one["Labels"][LABEL] for one in there))

    # Images.

    def _as_baseline(self, release: Release) -> dict[str, str]:
        """For docker-compose.yml's services that run one command of a release."""
        return {"SLIPWAY_BASELINE": self._image(release.digest), "SLIPWAY_BASELINE_DIGEST": release.digest}

    def _image(self, digest: str) -> str:
        """The engine's own copy; else the registry's, which must be exactly this digest."""
        there = self.docker.local_name(digest)
        if there:
            return there
        name = self.names.reference(digest)
        try:
            run(["pull", "--quiet", name])
        except CommandFailed as problem:
            raise RegistryAway(f"{name} can't be pulled: {problem}") from problem
        return name

    # Instances.

    def _spawn(self, release: Release, name: str, image: str) -> None:
        service = WEB if name == origin_name(release.digest) else API
        labels = ("--label", f"{LABEL}={release.digest}", "--label", f"{ROLE}={service.partition('-')[0]}")
        argv = ("run", "--detach", "--no-deps", "--no-TTY", "--use-aliases", "--name", f"{self.project.name}-{name}", *labels, service)
        try:
            self.project.compose(*argv, SLIPWAY_CANARY=image, SLIPWAY_CANARY_DIGEST=release.digest, SLIPWAY_CPU_SHARES=str(GETTING_READY))
        except CommandFailed as problem:
            raise NeverReady(f"{name} can't be started: {problem}") from problem

    def _wait_ready(self, release: Release) -> None:
        end_s = time.monotonic() + self.policy.limits.start_s
        while waiting := [name for name in self._names(release) if not self._ready(self._containers(release.digest).get(name))]:
            last = time.monotonic() > end_s
            for name in waiting:
                container = self._containers(release.digest).get(name)
                if container is None or container["State"] in ("exited", "dead") or last:
                    raise self._never(name, container)
            self.pause(POLL_S)

    def _ready(self, container: dict[str, Any] | None) -> bool:
        """Its image's health check has passed once, or, before its first turn, it says so itself where containers can be reached from here.

        Docker's own checks cost a process each: often enough to be quick, those of a starting release would starve the one that serves.
        One that fails the check later may still answer some: the edge and the gate judge that.
        """
        if container is None or not _lives(container):
            return False
        if STARTING not in container["Status"]:
            return True
        with suppress(httpx.HTTPError):
            path = "/readyz" if container["Labels"][ROLE] == "api" else "/-/origin"
            return self.client.get(f"http://{self._address(container)}{path}").status_code == 200
        return False

    def _never(self, name: str, container: dict[str, Any] | None) -> NeverReady:
        log = self.docker.log(container["Id"], 15) if container else ""
        what = "does not answer" if _lives(container) else "ended before it was ready"
        return NeverReady(f"{name} {what}. The end of its log:\n{log.strip()}")

    def _end(self, containers: Sequence[dict[str, Any]]) -> None:
        """All at once. What they said stays in the environment's logs."""
        if not containers:
            return
        with ThreadPoolExecutor(len(containers)) as pool:
            said = list(pool.map(lambda one: self.docker.end(one["Id"], self.policy.limits.stop_s), containers))
        for container, log in zip(containers, said, strict=True):
            put(self.logs / f"{self._name(container)}.log", log)

    def _names(self, release: Release) -> list[str]:
        instances = [instance_name(release.digest, index) for index in range(self.policy.runtime.instances)]
        return [*instances, *([origin_name(release.digest)] if release.spa else [])]

    def _containers(self, digest: str) -> dict[str, dict[str, Any]]:
        found = self.docker.containers(self.project.name, slipway__digest=digest)
        return {self._name(container): container for container in found}

    def _name(self, container: dict[str, Any]) -> str:
        return str(container["Names"][0]).removeprefix(f"/{self.project.name}-")

    def _backend(self, digest: str) -> Backend:
        """With a dead origin, too: nobody answers there, so the edge turns to the baseline's. None at all would say that there is no SPA."""
        there = [container for _, container in sorted(self._containers(digest).items())]
        api = [one for one in there if one["Labels"][ROLE] == "api" and self._ready(one)]
        web = [one for one in there if one["Labels"][ROLE] == "web"]
        return Backend(digest, tuple(map(self._address, api)), tuple(map(self._address, web)))

    def _address(self, container: dict[str, Any]) -> str:
        network = container["NetworkSettings"]["Networks"].get(f"{self.project.name}_inside", {})
        return f"{network['IPAddress']}:{PORT}" if network.get("IPAddress") else NOBODY


def _lives(container: dict[str, Any] | None) -> bool:
    return container is not None and container["State"] == "running"
