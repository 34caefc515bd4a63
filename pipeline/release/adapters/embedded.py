"""Releases as processes of this machine: instances on loopback, each release in its own unpacked files, with its own locked dependencies."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import httpx

from release import artifact, runtime
from release.adapters import schema
from release.adapters.assets import share
from release.adapters.postgres import Postgres
from release.adapters.processes import Processes, Record
from release.adapters.venvs import venv_for
from release.artifact import Release
from release.errors import BackfillUnfinished, DatabaseFailed, NeverReady, TokenRefused
from release.home import Home, short
from release.policy import Policy
from release.ports import Artifacts
from release.runtime import Program
from release.traffic import Backend, loopback
from release.window import Schema

POLL_S = 0.03
ANSWER_S = 3.0
MIGRATE_S = 600.0
TOKENS_S = 60.0
BACKFILL_S = 86_400.0


class EmbeddedRuntime:
    """Implements the port Runtime. The environment's database is started where it is needed. `pause` may raise to end a wait for readiness."""

    def __init__(self, home: Home, env: str, policy: Policy, artifacts: Artifacts, pause: Callable[[float], None] = time.sleep) -> None:
        self.home, self.policy, self.artifacts, self.pause = home, policy, artifacts, pause
        self.processes = Processes(home.env(env))
        self.postgres = Postgres(home, env, policy.limits.start_s)
        self.assets = home.env(env) / "assets"
        self.flags = home.env(env) / "flags" / "known.json"

    def migrate(self, release: Release) -> None:
        self._migrate(release, ("upgrade", "head"))

    def downgrade(self, release: Release, revision: str) -> None:
        self._migrate(release, ("downgrade", revision))

    def _migrate(self, release: Release, steps: Sequence[str]) -> None:
        url = self.postgres.ensure()
        folder, venv = self._prepare(release)
        program = runtime.migration(folder, venv, digest=release.digest, revision=release.revision, database_url=url, steps=steps)
        try:
            done = _run(program, MIGRATE_S)
        except subprocess.TimeoutExpired as problem:
            raise DatabaseFailed(f"The migrations of {short(release.digest)} did not end within {MIGRATE_S:g} s.") from problem
        if done.returncode != 0:
            raise DatabaseFailed(f"The migrations of {short(release.digest)} failed:\n{_end(done.stderr or done.stdout)}")

    def schema(self) -> Schema | None:
        self.postgres.ensure()
        return schema.read(self.postgres.psql)

    def start(self, release: Release) -> Backend:
        """Instances that live are kept: one that died must not cost the users of its twin."""
        there = {name: self.processes.alive(name) for name in self._names(release)}
        if all(record and record.ready for record in there.values()):
            return self._backend(release.digest)
        url = self.postgres.ensure()
        folder, venv = self._prepare(release)
        missing = [name for name, record in there.items() if not record]
        try:
            for name in missing:
                self._spawn(release, name, folder, venv, url)
            self._wait_ready(release)
        except BaseException:
            self.processes.stop(missing, self.policy.limits.stop_s)
            raise
        return self._backend(release.digest)

    def alive(self, digest: str) -> Backend | None:
        ports = tuple(record.ports[0] for record in map(self.processes.alive, self._instance_names(digest)) if record and record.ready)
        return Backend(digest, loopback(ports), self._origins(digest)) if ports else None

    def stop(self, digest: str) -> None:
        self.processes.stop([record.name for record in self.processes.all() if record.digest == digest], self.policy.limits.stop_s)

    def running(self) -> Sequence[str]:
        return list(dict.fromkeys(record.digest for record in self.processes.living() if record.digest))

    def tokens(self, release: Release, words: Sequence[str]) -> str:
        url = self.postgres.ensure()
        folder, venv = self._prepare(release)
        try:
            done = _run(runtime.tokens(folder, venv, database_url=url, words=words), TOKENS_S)
        except subprocess.TimeoutExpired as problem:
            raise DatabaseFailed(f"The token command did not end within {TOKENS_S:g} s.") from problem
        if done.returncode != 0:
            raise TokenRefused(f"{short(release.digest)} says: {_end(done.stderr, 3)}", remedy="`release token --help` has examples.")
        return done.stdout.strip()

    def backfill(self, release: Release, words: Sequence[str]) -> str:
        url = self.postgres.ensure()
        folder, venv = self._prepare(release)
        alive = self.alive(release.digest)
        watched = runtime.watching(alive.instances if alive else ())
        try:
            done = _run(runtime.backfill(folder, venv, database_url=url, words=[*watched, *words]), BACKFILL_S, stderr=None)
        except subprocess.TimeoutExpired as problem:
            raise BackfillUnfinished(f"The backfill was ended after {BACKFILL_S / 3600:g} hours.") from problem
        if done.returncode != 0:
            raise BackfillUnfinished(f"The backfill of {short(release.digest)} came to no end (exit code {done.returncode}).")
        return done.stdout.strip()

    # Preparation.

    def _prepare(self, release: Release) -> tuple[Path, Path]:
        """The release's files, made to be exactly the artifact's, and its virtual environment."""
        folder = self.home.release(release.digest)
        self.artifacts.unpack(release.digest, folder)
        if release.spa:
            share(folder, release.digest, self.assets, self.running())
        return folder, venv_for(folder / artifact.LOCK, self.home)

    # Instances.

    def _spawn(self, release: Release, name: str, folder: Path, venv: Path, url: str) -> Record:
        with socket.socket() as listener:
            listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # inherited by its connections; the server takes the socket for a Unix one
            listener.bind(("127.0.0.1", 0))
            program = self._program(release, name, folder, venv, url, listener.fileno())
            return self.processes.start(program, ports=(listener.getsockname()[1],), digest=release.digest, fds=(listener.fileno(),))

    def _program(self, release: Release, name: str, folder: Path, venv: Path, url: str, fd: int) -> Program:
        graceful_s = self.policy.limits.stop_s / 2
        if name == runtime.origin_name(release.digest):
            return runtime.origin(folder, venv, digest=release.digest, fd=fd, assets=self.assets, graceful_s=graceful_s)
        return runtime.instance(
            folder, venv, digest=release.digest, revision=release.revision, index=self._instance_names(release.digest).index(name), fd=fd,
            database_url=url, flags=self.flags, graceful_s=graceful_s,
        )  # fmt: skip

    def _wait_ready(self, release: Release) -> None:
        end_s = time.monotonic() + self.policy.limits.start_s
        with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
            while waiting := [record for record in self._recorded(self._names(release)) if not record.ready]:
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
            ready, version = ("/-/origin", "/-/origin") if record.name == runtime.origin_name(release.digest) else ("/readyz", "/version")
            answer = client.get(f"{address}{ready}")
            digest = client.get(f"{address}{version}").json()["digest"] if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError, KeyError) as problem:
            if last:
                raise self._never(record, f"does not answer: {problem!r}") from problem
            return
        if digest == release.digest:
            self.processes.note(record, ready=True)
        elif digest is not None:
            raise self._never(record, f"says that it is {digest}")
        elif last:
            raise self._never(record, f"answers {answer.status_code}: {answer.text[:500]}")

    def _never(self, record: Record, what: str) -> NeverReady:
        return NeverReady(f"{record.name} {what}. The end of its log:\n{self.processes.tail(record)}")

    def _names(self, release: Release) -> list[str]:
        return [*self._instance_names(release.digest), *([runtime.origin_name(release.digest)] if release.spa else [])]

    def _instance_names(self, digest: str) -> list[str]:
        return [runtime.instance_name(digest, index) for index in range(self.policy.runtime.instances)]

    def _recorded(self, names: Iterable[str]) -> list[Record]:
        return [record for record in map(self.processes.get, names) if record]

    def _backend(self, digest: str) -> Backend:
        ports = tuple(record.ports[0] for record in self._recorded(self._instance_names(digest)))
        return Backend(digest, loopback(ports), self._origins(digest))

    def _origins(self, digest: str) -> tuple[str, ...]:
        """Also of an origin that has died: nobody answers there, so the edge turns to the baseline's. An empty one would say that there is no SPA."""
        return loopback(record.ports[0] for record in self._recorded([runtime.origin_name(digest)]) if record.ready)


def _run(program: Program, bound_s: float, stderr: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """`stderr` None: the caller's own."""
    environment = {**runtime.inherited(os.environ), **program.environment}
    return subprocess.run(
        program.argv, cwd=program.cwd, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=bound_s, check=False
    )


def _end(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
