"""Where the edge's Envoy runs in the compose runtime: the service `edge`, which reads the environment's own folder."""

from __future__ import annotations

from pathlib import Path

from release.adapters.containers.docker import CommandFailed
from release.adapters.containers.project import Project
from release.compose import FOLDER, LISTENS, LOG, METRICS
from release.errors import EdgeRefused, NotUp, PortTaken

TAKEN = ("port is already allocated", "address already in use", "ports are not available")


class EnvoyContainer:
    """Implements `envoy.Host`. Its admin socket lies in a folder that the container shares with us alone."""

    folder, admin_socket, access_log = FOLDER, Path("/sockets/admin.sock"), LOG
    metrics: tuple[str, int] | None = METRICS

    def __init__(self, project: Project) -> None:
        self.project = project

    def listens(self, port: int) -> tuple[str, int]:  # noqa: ARG002 - Docker publishes it
        return LISTENS

    def alive(self) -> bool:
        container = self.project.service("edge")
        return container is not None and container["State"] == "running"

    def start(self, port: int) -> None:
        try:
            self.project.compose("up", "--detach", "--no-deps", "--force-recreate", "edge", PORT=str(port))
        except CommandFailed as problem:
            self.stop()
            if any(word in str(problem) for word in TAKEN):
                raise PortTaken(f"Port {port} on 127.0.0.1 is taken by another program.") from problem
            raise EdgeRefused(f"The edge's container does not start: {problem}") from problem

    def ready(self) -> None:
        """Docker knows."""

    def port(self) -> int:
        port = self.project.port("edge", LISTENS[1])
        if port is None:
            raise NotUp("The edge does not run.")
        return port

    def stop(self) -> None:
        container = self.project.service("edge")
        if container:
            self.project.docker.end(container["Id"], 2)

    def last_words(self, lines: int = 15) -> str:
        container = self.project.service("edge")
        log = self.project.docker.log(container["Id"], 200) if container else ""
        return "\n".join([line for line in log.splitlines() if not line.startswith("{")][-lines:])
