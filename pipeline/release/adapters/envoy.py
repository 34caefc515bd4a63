"""The edge: one Envoy per environment. Its configuration lies in files that are renamed into place; what it took of them is read back.

Nothing here needs the database, a release or a network: the way back is two renames and an acknowledgement.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from release import bootstrap, lanes, telemetry, traffic
from release.adapters import logs
from release.adapters.admin import Admin, NoAnswer
from release.adapters.envoy_process import EnvoyProcess
from release.adapters.files import put
from release.adapters.processes import Processes, wait_until
from release.adapters.resources import CDS, RDS, Resources
from release.errors import EdgeRefused, MachineLacks, PortTaken, TelemetryLost
from release.home import Home
from release.policy import Policy
from release.ports import Ack
from release.traffic import Backend, Json, Split


class Host(Protocol):
    """Where Envoy runs. `folder`, `admin_socket` and `access_log` are what Envoy itself calls them."""

    folder: Path
    admin_socket: Path
    access_log: Path
    metrics: tuple[str, int] | None  # where Prometheus may ask

    def listens(self, port: int) -> tuple[str, int]:
        """The address for its listener, so that it can be reached at `port` of loopback."""
        ...

    def alive(self) -> bool: ...

    def start(self, port: int) -> None:
        """With the bootstrap that lies in its folder; 0 is any free port. Raises PortTaken where that is known at once."""
        ...

    def ready(self) -> None:
        """It has taken its first configuration."""
        ...

    def port(self) -> int:
        """On loopback. Raises NotUp."""
        ...

    def stop(self) -> None: ...

    def last_words(self, lines: int = 15) -> str: ...


class EnvoyEdge:
    """`port`: a number is kept or PortTaken; 0 is any free one; None is what it was last. Kept over crash and restart where possible."""

    def __init__(self, home: Home, env: str, policy: Policy, port: int | None = None, host: Callable[[Admin], Host] | None = None) -> None:
        self.folder, self.sockets = home.env(env) / "edge", home.socket_folder(env)
        self._port_file = self.folder / "port.json"
        self.access_log = home.env(env) / "logs" / "edge.log"
        self.policy, self.wanted_port = policy, port
        self.admin = Admin(self.sockets / "admin.sock")
        self.host = host(self.admin) if host else EnvoyProcess(Processes(home.env(env)), self.admin, self.folder, self.access_log)
        self.resources = Resources(self.folder, self.admin, lambda: self.host.last_words(1))

    # What the engine asks.

    def ensure(self, backends: Sequence[Backend], split: Split) -> None:
        if self.host.alive():
            self.shift(backends, split)
        else:
            self._start_anew(backends, split)
        self.host.ready()

    def shift(self, backends: Sequence[Backend], split: Split) -> Ack:
        """New clusters are there and warm before a route names them, old ones go after the last route has."""
        if not self.host.alive():
            raise EdgeRefused("The edge does not run.", remedy="`make up` starts it.")
        started_s, version = time.monotonic(), uuid.uuid4().hex[:12]
        before = self.resources.texts()
        try:
            new = _resources(backends, split, self.host.folder, version, self.policy.web.switch)
            routes, clusters = new.pop("rds.json"), new.pop("cds.json")
            self.resources.apply({**new, "cds.json": _both(before.get("cds.json"), clusters)}, version)
            self.resources.apply({"rds.json": routes}, version, even_if_same=True)
            self._tell_lanes(backends, split, version)
            took_s = time.monotonic() - started_s
            self.resources.apply({"cds.json": clusters}, f"{version}-end")
        except EdgeRefused:
            self.resources.put_back(before)
            raise
        self.resources.remove_all_but({*new, "cds.json", "rds.json"})
        return Ack(version, took_s)

    def split(self) -> Split | None:
        if not self.host.alive():
            return None
        try:
            config = self.admin.routes()
            return traffic.read_back(config) if config else None
        except (NoAnswer, ValueError) as problem:
            raise EdgeRefused(f"The edge runs but does not say what it serves: {problem}") from problem

    def look(self) -> telemetry.Look:
        try:
            digests = self.digests()
            answer = self.admin.read(telemetry.stats_path(digests))
        except (NoAnswer, OSError, ValueError, LookupError) as problem:
            raise TelemetryLost(f"The edge's counters can't be read: {problem}") from problem
        releases = telemetry.parse(answer, digests, self.policy.gate.slow_ms)
        return telemetry.Look(time.monotonic(), releases, telemetry.parse_used(answer, digests))

    def digests(self) -> dict[str, str]:
        """Cluster's name -> digest, of every release that it knows. Raises OSError, ValueError or LookupError where it has no routes yet."""
        return traffic.digests_of(json.loads((self.folder / "rds.json").read_text())["resources"][0])

    def address(self) -> str:
        return f"http://127.0.0.1:{self.host.port()}"

    def stop(self) -> None:
        self.host.stop()
        if self.sockets == self.folder:
            (self.sockets / "admin.sock").unlink(missing_ok=True)
        else:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def bound_log(self, max_bytes: int = logs.MAX_BYTES) -> None:
        logs.turn_over(self.access_log, self._reopen, max_bytes)

    def _reopen(self) -> None:
        """One that does not answer is asked again the next time, for the log is missing until it has done so."""
        if self.host.alive():
            with suppress(NoAnswer):
                self.admin.reopen_logs()

    # Start.

    def _start_anew(self, backends: Sequence[Backend], split: Split) -> None:
        version = uuid.uuid4().hex[:12]
        files = _resources(backends, split, self.host.folder, version, self.policy.web.switch)
        for name, content in files.items():
            put(self.folder / name, json.dumps(content))
        self.resources.remove_all_but(set(files))
        self._tell_lanes(backends, split, version)
        port, fixed = self._choose_port()
        try:
            self._start(port)
        except PortTaken:
            if fixed:
                raise
            self._start(0)
        try:
            self.resources.wait_for(version, [CDS, RDS], {})
        except EdgeRefused:
            self.stop()
            raise
        put(self._port_file, json.dumps({"port": self.host.port(), "fixed": fixed}))

    def _tell_lanes(self, backends: Sequence[Backend], split: Split, version: str) -> None:
        """Nobody waits for that: it is for those who look on."""
        if self.host.metrics:
            put(self.folder / lanes.FILE, json.dumps(lanes.routes(backends, split, version)))

    def _choose_port(self) -> tuple[int, bool]:
        """The port, and whether a person chose it."""
        if self.wanted_port:
            return self.wanted_port, True
        try:
            last = json.loads(self._port_file.read_text())
        except FileNotFoundError:
            return 0, False
        return (0, False) if last["fixed"] and self.wanted_port == 0 else (last["port"], last["fixed"])

    def _start(self, port: int) -> None:
        _own_folder(self.sockets)
        (self.sockets / "admin.sock").unlink(missing_ok=True)
        host = self.host
        config = bootstrap.bootstrap(
            host.folder, host.admin_socket, host.listens(port), host.access_log, self.policy.gate.slow_ms, host.metrics
        )
        put(self.folder / "bootstrap.json", json.dumps(config, indent=1))
        host.start(port)
        wait_until(lambda: self.admin.live() or not host.alive(), self.policy.limits.start_s, 0.005)
        if host.alive() and self.admin.live():
            return
        log = host.last_words()
        self.stop()
        if "Address already in use" in log:
            raise PortTaken(f"Port {port} on 127.0.0.1 is taken by another program.")
        raise EdgeRefused(f"Envoy does not start. The end of its log:\n{log}")


def _resources(backends: Sequence[Backend], split: Split, folder: Path, version: str, switch: traffic.Switch) -> dict[str, Json]:
    """File name -> content, endpoints first. `backends` must hold those of the split."""
    by_digest = {backend.digest: backend for backend in backends}
    assert split.baseline in by_digest, split
    assert split.canary is None or split.canary in by_digest, split
    return {
        **traffic.all_endpoints(backends, split, version),
        "cds.json": traffic.clusters(backends, folder, version),
        "rds.json": traffic.routes(backends, split, version, switch),
    }


def _both(old: str | None, new: Json) -> Json:
    """Clusters of before and after."""
    have = {resource["name"]: resource for resource in json.loads(old)["resources"]} if old else {}
    have.update({resource["name"]: resource for resource in new["resources"]})
    return {**new, "resources": list(have.values())}


def _own_folder(folder: Path) -> None:
    """Below a shared temporary folder somebody else could have made it first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise MachineLacks(f"{folder} belongs to somebody else.", remedy="Remove it, or set TMPDIR to a folder of your own.")
    folder.chmod(0o700)
