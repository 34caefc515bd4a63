"""One environment, wired to its adapters: what the commands work on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from release import policy as policies
from release.adapters.annotations import Annotations
from release.adapters.approvers import SshApprovers
from release.adapters.clock import RealClock
from release.adapters.envoy import EnvoyEdge
from release.adapters.files import alone, put
from release.adapters.flags import HttpFlags, token_of
from release.adapters.lock import evict, holder, lock
from release.adapters.logs import bound
from release.adapters.smoke import HttpSmoke
from release.approvals import Approval
from release.approved import approved
from release.engine import Engine, World
from release.errors import LedgerDamaged, MachineLacks, NoRollout, RolloutInProgress, SlipwayError, UsageError
from release.events import AbortRequested, Event, RolloutEnded
from release.home import Home
from release.ledger import Entry, Ledger, fold
from release.narrate import tell
from release.places import Database, Place, RuntimeName, kind_of, place
from release.policy import Policy
from release.ports import Artifacts
from release.rollout import State

ANSWER_S = 3.0  # an engine that lives looks at the ledger four times a second
PERSON_S = 5.0  # how long a person waits for the ops API
TOKEN_DAYS, TOKEN_RENEWED_DAYS = 366, 300
LOGS_EVERY_S = 60.0  # a rollout bounds logs so often
log = logging.getLogger("release.environment")


@dataclass
class Environment:
    """`listener` hears each ledger entry as it is written."""

    home: Home
    name: str
    listener: Callable[[Entry], None] | None = None
    port: int | None = None  # where the edge listens; None: as before, or any that is free

    @property
    def folder(self) -> Path:
        return self.home.env(self.name)

    @property
    def lock_path(self) -> Path:
        return self.folder / "lock"

    @cached_property
    def policy(self) -> Policy:
        return policies.read(self.home.policy)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger.jsonl")

    @cached_property
    def clock(self) -> RealClock:
        return RealClock()

    @property
    def kind(self) -> RuntimeName:
        return kind_of(self.folder)

    def choose(self, kind: RuntimeName | None) -> None:
        """Which runtime, before anything runs; None keeps what was chosen. Raises UsageError where the environment has another."""
        if self.folder.exists() and (self.folder / "ledger.jsonl").exists():
            if kind not in (None, self.kind):
                raise UsageError(
                    f"The environment {self.name} has the {self.kind} runtime.",
                    remedy="Name another with --env, or `release down --purge` it first.",
                )
        elif kind == "compose":
            put(self.folder / "runtime", kind)

    @cached_property
    def place(self) -> Place:
        return place(self.kind, self.home, self.name, self.policy, self.port, self.clock)

    def place_on(self, kind: RuntimeName | None) -> Place:
        """Its own; or one of another kind, where it is only about artifacts and nothing of this environment runs yet."""
        return self.place if kind is None else place(kind, self.home, self.name, self.policy, self.port, self.clock)

    @property
    def artifacts(self) -> Artifacts:
        return self.place.artifacts

    @property
    def database(self) -> Database:
        return self.place.database

    @property
    def edge(self) -> EnvoyEdge:
        return self.place.edge

    @cached_property
    def world(self) -> World:
        place = self.place
        return World(
            place.artifacts, place.runtime, place.edge, HttpSmoke(self.policy), self.clock, place.telemetry, self.engines_flags,
            self.approvers, self.name,
        )  # fmt: skip

    @property
    def approvers(self) -> SshApprovers:
        return SshApprovers(self.home.approvers, self.name)

    def approvals(self) -> list[Approval]:
        """Those that count now."""
        return approved(self.ledger, self.approvers)

    @property
    def token_path(self) -> Path:
        return self.folder / "ops-token"

    @cached_property
    def engines_flags(self) -> HttpFlags:
        """By the environment's own token, whatever a person has."""
        return HttpFlags(self.edge.address, lambda: token_of(self.token_path, {}), self.policy.flags.answer_s)

    @cached_property
    def flags(self) -> HttpFlags:
        """By the token of who calls (SLIPWAY_OPS_TOKEN), else by the environment's own."""
        return HttpFlags(self.edge.address, lambda: token_of(self.token_path, os.environ), PERSON_S)

    def have_token(self, digest: str) -> None:
        """The environment's own token for the ops API of what serves, made where there is none, and anew before it expires.

        A release without that API is no reason not to run it: then no flag can be killed, and status says so.
        """
        with suppress(FileNotFoundError):
            if time.time() - self.token_path.stat().st_mtime < TOKEN_RENEWED_DAYS * 86_400:
                return
        scopes = [word for scope in ("read", "write", "kill", "freeze") for word in ("--scope", f"flags:{scope}")]
        words = ["create", "--name", f"engine of {self.name}"[:64], *scopes, "--expires-days", str(TOKEN_DAYS)]
        try:
            put(self.token_path, self.place.runtime.tokens(self.artifacts.verify(digest), words) + "\n", 0o600)
        except SlipwayError as problem:
            log.warning("No token for the ops API: %s", problem.what)

    def state(self) -> State:
        return fold(self.ledger.entries())

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        with lock(self.lock_path, what):
            yield

    def engine(self) -> Engine:
        """Raises LedgerDamaged. The caller holds the lock."""
        engine = Engine(self.policy, self.ledger, self.world)
        self.ledger.listener = self._heard
        return engine

    _logs_bound_s = float("-inf")

    def bound_logs(self) -> None:
        """What can't be bounded now, say on a full disk, must not stop what a person asked for."""
        self._logs_bound_s = time.monotonic()
        folder = self.folder / "logs"
        if not folder.exists():
            return
        try:
            with alone(folder, 0):
                self.edge.bound_log()
                bound(folder, but=self.edge.access_log)
        except MachineLacks:
            return  # another is doing it
        except OSError as problem:
            log.warning("The logs of %s can't be bounded: %s", self.name, problem)

    @cached_property
    def annotations(self) -> Annotations:
        return Annotations(self.place.grafana)

    def note(self, event: Event) -> None:
        """Into the ledger, by a command that leads no rollout. An engine that lives hears it there. Raises LedgerDamaged."""
        entry = self.ledger.append(event)
        if entry and holder(self.lock_path) is None:
            self._annotate(entry)

    def _annotate(self, entry: Entry) -> None:
        sentence = tell(entry)
        if sentence and not (entry.name == "gate_looked" and entry.data["verdict"] != "FAIL"):
            self.annotations.add(sentence, ["slipway", self.name, entry.name], int(datetime.fromisoformat(entry.wall).timestamp() * 1000))

    def _heard(self, entry: Entry) -> None:
        """A rollout may take long under much traffic. After a look of the gate nobody waits for us."""
        self._annotate(entry)
        if entry.name == "gate_looked" and time.monotonic() - self._logs_bound_s >= LOGS_EVERY_S:
            self.bound_logs()
        if self.listener:
            self.listener(entry)

    def engine_for_the_way_back(self, reason: str) -> Engine:
        """As `engine`, but a damaged ledger does not block: its damaged part is set aside."""
        try:
            return self.engine()
        except LedgerDamaged:
            self.ledger.repair(reason)
            return self.engine()

    def dead_engine(self, state: State) -> bool:
        """A rollout in the ledger that nobody leads."""
        return state.rollout is not None and holder(self.lock_path) is None

    def abort(self, reason: str) -> RolloutEnded:
        """End the rollout in progress, whoever leads it, even one that hangs or has died. Raises NoRollout."""
        with self._taking_over("release abort", reason):
            ended = self.engine_for_the_way_back(reason).recover() or self._ended_by_its_engine()
        if ended is None:
            raise NoRollout("No rollout is in progress.")
        return ended

    def rollback(self, to: str | None, reason: str) -> RolloutEnded:
        """Back to the last good release; a rollout in progress is aborted, which is the same for users."""
        with self._taking_over("release rollback", reason):
            engine = self.engine_for_the_way_back(reason)
            ended = engine.recover() or self._ended_by_its_engine()
            if ended is None or (to is not None and to != engine.state.baseline):
                ended = engine.rollback(to, reason)
            return ended

    _asked_at: int | None = None

    @contextmanager
    def _taking_over(self, what: str, reason: str) -> Iterator[None]:
        """Hold the lock. A living engine is asked to abort and gets a bounded time to do so; then it is ended."""
        end_s = time.monotonic() + ANSWER_S
        bound_s = end_s + self.policy.limits.drain_s + self.policy.limits.stop_s
        while True:
            try:
                with self.locked(what):
                    yield
                    return
            except RolloutInProgress:
                if self._asked_at is None:
                    self._ask(reason)
                answered = self._answered()
                if time.monotonic() > (bound_s if answered else end_s):
                    other = holder(self.lock_path)
                    if other:
                        evict(other, ANSWER_S)
                    elif time.monotonic() > bound_s + ANSWER_S:  # else it has just gone
                        raise
            time.sleep(0.02)

    def _ask(self, reason: str) -> None:
        try:
            entry = self.ledger.append(AbortRequested(reason))
            self._asked_at = entry.seq if entry else None
        except LedgerDamaged:
            self._asked_at = 0

    def _answered(self) -> bool:
        """Has the engine sent everyone back since it was asked?"""
        return any(entry.name == "split_set" and entry.data["canary"] is None for entry in self._since_asked())

    def _ended_by_its_engine(self) -> RolloutEnded | None:
        for entry in self._since_asked():
            fact = entry.fact()
            if isinstance(fact, RolloutEnded) and fact.outcome == "aborted":
                return fact
        return None

    def _since_asked(self) -> list[Entry]:
        if not self._asked_at:
            return []
        try:
            return [entry for entry in self.ledger.entries() if entry.seq > (self._asked_at or 0)]
        except SlipwayError:
            return []
