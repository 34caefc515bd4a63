"""Releases as processes of this machine: instances on loopback, each release in its own unpacked files, with its own locked dependencies."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from release import artifact, runtime
from release.adapters.postgres import Postgres
from release.adapters.processes import Processes, Record
from release.adapters.venvs import venv_for
from release.artifact import Release
from release.errors import DatabaseFailed, NeverReady
from release.home import Home, short
from release.policy import Policy
from release.ports import Artifacts
from release.traffic import Backend

POLL_S = 0.03
ANSWER_S = 3.0
MIGRATE_S = 600.0


class EmbeddedRuntime:
    """Implements the port Runtime. The environment's database is started where it is needed. `pause` may raise to end a wait for readiness."""

    def __init__(self, home: Home, env: str, policy: Policy, artifacts: Artifacts, pause: Callable[[float], None] = time.sleep) -> None:
        self.home, self.policy, self.artifacts, self.pause = home, policy, artifacts, pause
        self.processes = Processes(home.env(env))
        self.postgres = Postgres(home, env, policy.limits.start_s)

    def migrate(self, release: Release) -> None:
        url = self.postgres.ensure()
        folder, venv = self._prepare(release)
        program = runtime.migration(folder, venv, digest=release.digest, revision=release.revision, database_url=url)
        environment = {**runtime.inherited(os.environ), **program.environment}
        try:
            done = subprocess.run(
                program.argv, cwd=program.cwd, env=environment, capture_output=True, text=True, timeout=MIGRATE_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as problem:
            raise DatabaseFailed(f"The migrations of {short(release.digest)} did not end within {MIGRATE_S:g} s.") from problem
        if done.returncode != 0:
            raise DatabaseFailed(f"The migrations of {short(release.digest)} failed:\n{_end(done.stderr or done.stdout)}")

    def start(self, release: Release) -> Backend:
        """Instances that live are kept: one that died must not cost the users of its twin."""
        there = self._instances(release.digest)
        if all(record and record.ready for record in there):
            return Backend(release.digest, self._ports(release.digest))
        url = self.postgres.ensure()
        folder, venv = self._prepare(release)
        missing = [index for index, record in enumerate(there) if not record]
        try:
            for index in missing:
                self._spawn(release, index, folder, venv, url)
            self._wait_ready(release)
        except BaseException:
            self.processes.stop([runtime.instance_name(release.digest, index) for index in missing], self.policy.limits.stop_s)
            raise
        return Backend(release.digest, self._ports(release.digest))

    def alive(self, digest: str) -> Backend | None:
        ports = tuple(record.ports[0] for record in self._instances(digest) if record and record.ready)
        return Backend(digest, ports) if ports else None

    def stop(self, digest: str) -> None:
        self.processes.stop([record.name for record in self.processes.all() if record.digest == digest], self.policy.limits.stop_s)

    def running(self) -> Sequence[str]:
        return list(dict.fromkeys(record.digest for record in self.processes.living() if record.digest))

    # Preparation.

    def _prepare(self, release: Release) -> tuple[Path, Path]:
        """The release's files, made to be exactly the artifact's, and its virtual environment."""
        folder = self.home.release(release.digest)
        self.artifacts.unpack(release.digest, folder)
        return folder, venv_for(folder / artifact.LOCK, self.home)

    # Instances.

    def _spawn(self, release: Release, index: int, folder: Path, venv: Path, url: str) -> Record:
        with socket.socket() as listener:
            listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # inherited by its connections; the server takes the socket for a Unix one
            listener.bind(("127.0.0.1", 0))
            program = runtime.instance(
                folder, venv, digest=release.digest, revision=release.revision, index=index, fd=listener.fileno(), database_url=url,
                graceful_s=self.policy.limits.stop_s / 2,
            )  # fmt: skip
            return self.processes.start(program, ports=(listener.getsockname()[1],), digest=release.digest, fds=(listener.fileno(),))

    def _wait_ready(self, release: Release) -> None:
        end_s = time.monotonic() + self.policy.limits.start_s
        with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
            while waiting := [record for record in self._recorded(release.digest) if not record.ready]:
                self.pause(POLL_S)
                last = time.monotonic() > end_s
                for record in waiting:
                    self._look_at(record, release, client, last)

    def _look_at(self, record: Record, release: Release, client: httpx.Client, last: bool) -> None:
        """Note it as ready if it is. Raises NeverReady when it has ended, is another release, or this was the last look."""
        if not self.processes.alive(record.name):
            raise self._never(record, "ended before it was ready")
        address = f"http://127.0.0.1:{record.ports[0]}"
        try:
            ready = client.get(f"{address}/readyz")
            digest = client.get(f"{address}/version").json()["digest"] if ready.status_code == 200 else None
        except (httpx.HTTPError, ValueError, KeyError) as problem:
            if last:
                raise self._never(record, f"does not answer: {problem!r}") from problem
            return
        if digest == release.digest:
            self.processes.note(record, ready=True)
        elif digest is not None:
            raise self._never(record, f"says that it is {digest}")
        elif last:
            raise self._never(record, f"answers {ready.status_code}: {ready.text[:500]}")

    def _never(self, record: Record, what: str) -> NeverReady:
        return NeverReady(f"{record.name} {what}. The end of its log:\n{self.processes.tail(record)}")

    def _living(self, digest: str, index: int) -> Record | None:
        return self.processes.alive(runtime.instance_name(digest, index))

    def _instances(self, digest: str) -> list[Record | None]:
        return [self._living(digest, index) for index in range(self.policy.runtime.instances)]

    def _recorded(self, digest: str) -> list[Record]:
        names = (runtime.instance_name(digest, index) for index in range(self.policy.runtime.instances))
        return [record for record in map(self.processes.get, names) if record]

    def _ports(self, digest: str) -> tuple[int, ...]:
        return tuple(record.ports[0] for record in self._recorded(digest))


def _end(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
