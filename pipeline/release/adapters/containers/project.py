"""One environment as a compose project: its name, its `docker compose` commands, its containers."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from release.adapters.containers.docker import COMMAND_S, CommandFailed, Docker, run
from release.adapters.files import put
from release.errors import MachineLacks, RegistryAway
from release.home import Home

FILE = "docker-compose.yml"
LONG_S = 86_400.0
OBSERVERS = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
    "traces": 16686,
    "collector": 0,
    "host": 0,
}  # name -> port of its page


@dataclass(frozen=True)
class Project:
    home: Home
    env: str
    docker: Docker = field(default_factory=Docker)

    @property
    def name(self) -> str:
        """Unlike any other checkout's and environment's on this machine."""
        mark = hashlib.sha256(str(self.home.env(self.env)).encode()).hexdigest()[:8]
        return f"slipway-{re.sub('[^a-z0-9]+', '-', self.env.lower()).strip('-')[:40]}-{mark}"

    @property
    def edge_folder(self) -> Path:
        return self.home.env(self.env) / "edge"

    def compose(self, *words: str, **variables: str) -> str:
        """`variables` are those of docker-compose.yml that differ from our defaults. Raises CommandFailed, MachineLacks."""
        return self._compose(words, variables, COMMAND_S, show_progress=False)

    def compose_for_long(self, *words: str, **variables: str) -> str:
        """As `compose`, for a day at most; its progress goes to our own stderr."""
        return self._compose(words, variables, LONG_S, show_progress=True)

    def compose_files(self, words: Sequence[str], stdin: Path | None, stdout: Path | None) -> None:
        """As `compose`, for a day at most, from and into files."""
        argv, ours = self._argv(words)
        run(argv, environ=ours, bound_s=LONG_S, from_file=stdin, into_file=stdout)

    def _compose(self, words: Sequence[str], variables: Mapping[str, str], bound_s: float, *, show_progress: bool) -> str:
        argv, ours = self._argv(words)
        return run(argv, environ={**ours, **variables}, bound_s=bound_s, show_progress=show_progress).decode()

    def _argv(self, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        ours = {
            "PORT": "0",
            "SLIPWAY_EDGE": str(self.edge_folder),
            "SLIPWAY_SOCKETS": str(self.home.socket_folder(self.env)),
            "SLIPWAY_EDGE_USER": f"{os.getuid()}:{os.getgid()}",
        }
        argv = ("compose", "--project-name", self.name, "--project-directory", str(self.home.root), "--file", str(self.home.root / FILE))
        return [*argv, "--progress", "quiet", *words], ours

    def service(self, name: str) -> dict[str, Any] | None:
        """The container of a service that compose keeps, dead or alive."""
        labels = {"com__docker__compose__service": name, "com__docker__compose__oneoff": "False"}
        return next(iter(self.docker.containers(self.name, **labels)), None)

    def port(self, service: str, inside: int) -> int | None:
        """Where a service is published on loopback; None where it does not run."""
        container = self.service(service)
        if container is None or container["State"] != "running":
            return None
        return next(
            (int(port["PublicPort"]) for port in container["Ports"] if port["PrivatePort"] == inside and "PublicPort" in port), None
        )

    def registry(self) -> str:
        """The project's own, started where it does not run: `127.0.0.1:PORT/slipway`. Raises RegistryAway."""
        if self.port("registry", 5000) is None:
            try:
                self.compose("--profile", "registry", "up", "--detach", "--no-deps", "registry")
            except CommandFailed as problem:
                raise RegistryAway(f"The project's registry does not start: {problem}") from problem
        port = self.port("registry", 5000)
        if port is None:
            raise RegistryAway("The project's registry ended at once; `docker compose logs registry` says why.")
        return f"127.0.0.1:{port}/slipway"

    def observe(self, services: Sequence[str]) -> Mapping[str, str]:
        """Start these, or all observers, beside the store; name -> address of those with a page. Raises MachineLacks."""
        chosen = list(services) or list(OBSERVERS)
        try:
            self.compose("--profile", "obs", "up", "--detach", "--no-deps", *chosen)
        except CommandFailed as problem:
            raise MachineLacks(
                f"They do not start: {problem}", remedy="Are their images reachable? See runbooks/containers.md."
            ) from problem
        ports = {name: self.port(name, inside) for name, inside in OBSERVERS.items() if name in chosen and inside}
        return {name: f"http://127.0.0.1:{port}" for name, port in ports.items() if port}

    def grafana(self) -> str | None:
        port = self.port("grafana", 3000)
        return f"http://127.0.0.1:{port}" if port else None

    def save_logs(self, folder: Path) -> None:
        """What each container said so far."""
        for container in self.docker.containers(self.name):
            put(folder / f"{container['Names'][0].removeprefix(f'/{self.name}-')}.log", self.docker.log(container["Id"]))

    def sweep(self, purge: bool) -> None:
        """Remove all containers and networks of this project. With `purge` its data, too, and the names of its images."""
        port = self.port("registry", 5000)
        if purge and port is not None:
            self.docker.forget_images(f"127.0.0.1:{port}/slipway")
        try:
            self.compose("--profile", "*", "down", "--remove-orphans", "--timeout", "5", *(["--volumes"] if purge else []))
        except CommandFailed as problem:
            raise MachineLacks(
                f"The project {self.name} can't be removed: {problem}", remedy=f"`docker compose -p {self.name} down -v`."
            ) from problem
