"""The one loop: command -> adapter -> event -> ledger -> advance.

Intent is in the ledger before each effect and the result after it, so an engine that dies anywhere leaves a ledger from which the
next one goes back to a safe state. What other processes ask (hold, promote, abort, freeze) arrives through the ledger, too.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass

from release import approvals, errors, gate, telemetry, window
from release import events as e
from release.approved import approved, policy_needs
from release.artifact import Release
from release.ledger import Ledger, fold
from release.policy import Policy
from release.ports import Approvers, Artifacts, Clock, Edge, Flags, Runtime, Smoke, Telemetry
from release.rollout import advance, refusal, rollback_target
from release.traffic import Backend, Split

LOOK_S = 0.25  # the edge's histograms are flushed this often; looking more often shows nothing new
KILL_REACHES_S = 1.0  # four times what every instance needs to hear of a kill; answers until then are no evidence
RECORDED = (
    e.Verify,
    e.Migrate,
    e.Start,
    e.Smoke,
    e.SetSplit,
    e.KillFlag,
    e.FreezeFlags,
    e.Drain,
    e.Stop,
)  # commands with an effect, or that may take long
log = logging.getLogger("release.engine")


@dataclass(frozen=True)
class World:
    """All adapters of one environment."""

    artifacts: Artifacts
    runtime: Runtime
    edge: Edge
    smoke: Smoke
    clock: Clock
    telemetry: Telemetry | None = None  # what the gate reads, where that is not the edge
    flags: Flags | None = None
    approvers: Approvers | None = None
    name: str = ""  # of the environment


class Engine:
    """Leads one rollout at a time. The caller holds the environment's lock."""

    def __init__(self, policy: Policy, ledger: Ledger, world: World) -> None:
        self.policy, self.ledger, self.world = policy, ledger, world
        self.state = fold(ledger.entries())
        self.pending: tuple[e.Command, ...] = ()
        self.ended: e.RolloutEnded | None = None
        self.refused: errors.SlipwayError | None = None  # why the release was not verified
        self._releases: dict[str, Release] = {}
        self._schema: window.Schema | None = None  # as it was when the release was verified
        self._watching: e.Watch | None = None
        self._gate = gate.start(policy)
        self._blame = gate.Attribution()
        self._evidence_from_s = float("-inf")
        self._before: telemetry.Look | None = None

    # What a caller asks.

    def recover(self) -> e.RolloutEnded | None:
        """Bring a rollout whose engine died to a safe end. None where there is none."""
        return self._lead(e.EngineLost()) if self.state.rollout else None

    def deploy(self, digest: str, reason: str) -> e.RolloutEnded:
        """Raises what `rollout.refusal` says."""
        problem = refusal(self.state, digest)
        if problem:
            raise problem
        policy = self.policy
        return self._lead(
            e.RolloutRequested(
                _new_id(),
                digest,
                reason,
                policy.steps,
                policy.runtime.pinned_releases,
                kill_first=policy.flags.kill_first,
                freeze_flags=True,
            )
        )

    def rollback(self, to: str | None, reason: str) -> e.RolloutEnded:
        """Raises NothingToRollBackTo or Quarantined."""
        target = rollback_target(self.state, to)
        assert self.state.baseline is not None  # what is pinned was once served, so something serves now
        return self._lead(e.RollbackRequested(_new_id(), self.state.baseline, target, reason, freeze_flags=True))

    def resume(self) -> None:
        """Run what the ledger says should serve, after `down` or a restart of the machine."""
        if self.state.baseline is None:
            return
        for digest in (self.state.baseline, *self.state.pinned):
            self.world.runtime.start(self._release(digest))
        split = Split(self.state.baseline)
        self.world.edge.ensure(self._backends(split), split)
        for digest in set(self.world.runtime.running()) - {self.state.baseline, *self.state.pinned}:
            self.world.runtime.stop(digest)  # left over from before; nobody is sent there any more

    # The loop.

    def _lead(self, first: e.Event) -> e.RolloutEnded:
        self.ended = self.refused = None
        self._gate, self._blame, self._watching = gate.start(self.policy), gate.Attribution(), None
        self._evidence_from_s = float("-inf")
        self._record(first)
        while self.pending:
            self._step()
        if self.ended is None:
            raise errors.EdgeRefused("The edge refused to send everyone back to the baseline, three times.")
        return self.ended

    def _step(self) -> None:
        command = self.pending[0]
        if isinstance(command, RECORDED) and self.ledger.append(command, only_if_seen=True) is None:
            self._hear()  # somebody asked for something meanwhile: that comes first
            return
        try:
            event = self._carry_out(command)
        except errors.Interrupted:
            self._record(e.Interrupted())
            return
        if event is not None:
            self._record(event, done=command)

    def _record(self, event: e.Event, done: e.Command | None = None) -> None:
        while self.ledger.append(event, only_if_seen=True) is None:
            self._hear()
        if done is not None and self.pending[:1] == (done,):
            self.pending = self.pending[1:]
        self._advance(event)

    def _hear(self) -> None:
        """Take in what others wrote to the ledger."""
        for entry in self.ledger.unseen():
            fact = entry.fact()
            if isinstance(fact, e.Event):
                self._advance(fact)

    def _advance(self, event: e.Event) -> None:
        self.state, commands = advance(self.state, event)
        if commands:
            self.pending = commands
        if isinstance(event, e.RolloutEnded):
            self.ended = event

    # Effects. An expected failure is an event, too.

    def _carry_out(self, command: e.Command) -> e.Event | None:
        match command:
            case e.Watch():
                return self._watch(command)
            case e.KillFlag():
                return self._kill(command)
            case e.FreezeFlags():
                return self._freeze_flags(command)
            case e.Freeze():
                return e.Frozen(command.reason)
            case e.Quarantine():
                return e.Quarantined(command.digest, command.reason)
            case e.Promote():
                return e.Promoted(command.digest)
            case e.End():
                return e.RolloutEnded(command.rollout, command.outcome, command.reason)
            case e.Drain():
                return self._drain(command.digest)
            case e.Stop():
                self.world.runtime.stop(command.digest)
                return e.ReleaseStopped(command.digest)
        try:
            return self._effect(command)
        except errors.Interrupted:
            raise
        except errors.SlipwayError as problem:
            if isinstance(command, e.Verify):
                self.refused = problem
            return _failure(command, type(problem).__name__, problem.what)
        except Exception as problem:
            log.exception("unexpected failure of %s", command)
            return _failure(command, type(problem).__name__, f"unexpected: {problem!r}")

    def _effect(self, command: e.Command) -> e.Event:
        started_s = self.world.clock.monotonic()
        match command:
            case e.Verify():
                release = self._release(command.digest)
                self._check_schema(release)
                self._check_policy()
                needed = self.policy.approvals.needed(self.world.name)
                return e.ReleaseVerified(release.digest, release.revision, release.runs_on, self.policy.fingerprint, needed.policy)
            case e.Migrate():
                ran = self._migrate(self._release(command.digest))
                return e.SchemaMigrated(command.digest, self._since(started_s) if ran else 0.0)
            case e.Start():
                going_back = self.state.rollout is not None and self.state.rollout.target is not None
                backend = self._backend(command.digest) if going_back else self.world.runtime.start(self._release(command.digest))
                return e.ReleaseStarted(backend.digest, backend.ports, self._since(started_s))
            case e.Smoke():
                return e.SmokePassed(command.digest, self.world.smoke.check(self.world.edge.address(), self._release(command.digest)))
            case e.SetSplit():
                return self._set_split(command)
        raise AssertionError(command)

    def _check_schema(self, release: Release) -> None:
        """Raises OutsideWindow. The schema is asked for once per rollout: nobody else migrates while we hold the lock."""
        warm = [self._release(digest) for digest in (self.state.baseline, *self.state.pinned) if digest]
        self._schema = self.world.runtime.schema()
        if problem := window.refusal(release, self._schema, warm):
            raise problem
        steps = window.pending_contracts(release, self._schema)
        if steps and self.state.baseline:
            self._ask_for(approvals.contract_change(release.digest, steps), self.policy.approvals.needed(self.world.name).contract)

    def _check_policy(self) -> None:
        """Raises ApprovalsMissing."""
        self._ask_for(approvals.policy_change(self.policy.fingerprint), policy_needs(self.ledger, self.policy))

    def _ask_for(self, change: str, needed: int) -> None:
        """Raises ApprovalsMissing."""
        if problem := approvals.missing(change, needed, approved(self.ledger, self.world.approvers), self.ledger.actor):
            raise problem

    def _migrate(self, release: Release) -> bool:
        """Forward only: where the schema is there already, or further, nothing runs."""
        ahead = self._schema is None or self._schema.revision < release.head
        if ahead:
            self.world.runtime.migrate(release)
        return ahead

    def _set_split(self, command: e.SetSplit) -> e.SplitSet:
        edge, clock = self.world.edge, self.world.clock
        started_s = clock.monotonic()
        split = Split(command.baseline, command.canary, command.weight_pct)
        backends = self._backends(split)
        if command.force:
            edge.stop()
        if command.force or edge.split() is None:
            edge.ensure(backends, split)
            version = "started"
        else:
            version = edge.shift(backends, split).version
        return e.SplitSet(split.baseline, split.canary, split.weight_pct, version, self._since(started_s), clock.monotonic())

    def _kill(self, command: e.KillFlag) -> e.Event:
        """By the API of the release that is not in doubt. What was seen before is no evidence of what comes now."""
        try:
            self._ask_flags(lambda flags, digest: flags.kill(digest, command.flag, command.reason))
        except errors.SlipwayError as problem:
            return e.FlagKillFailed(command.flag, problem.what, self.world.clock.monotonic())
        killed_s = self.world.clock.monotonic()
        self._gate, self._evidence_from_s = gate.start(self.policy), killed_s + KILL_REACHES_S
        return e.FlagKilled(command.flag, command.reason, killed_s)

    def _freeze_flags(self, command: e.FreezeFlags) -> e.Event:
        """Everyone is back already; this must neither fail nor hold up what is left to do."""
        try:
            self._ask_flags(lambda flags, digest: flags.freeze(digest, command.reason))
        except errors.SlipwayError as problem:
            return e.FlagFreezeFailed(problem.what)
        return e.FlagsFrozen(command.reason)

    def _ask_flags(self, ask: Callable[[Flags, str], None]) -> None:
        """Raises SlipwayError, whatever happens."""
        rollout = self.state.rollout
        digest = (rollout.target if rollout else None) or self.state.baseline
        if self.world.flags is None or digest is None:
            raise errors.FlagsAway("This environment has no flags.")
        try:
            ask(self.world.flags, digest)
        except errors.SlipwayError:
            raise
        except Exception as problem:
            log.exception("unexpected failure of the flags")
            raise errors.FlagsAway(f"unexpected: {problem!r}") from problem

    def _drain(self, digest: str) -> e.Drained:
        """Wait until no request is in flight to `digest`, bounded."""
        clock = self.world.clock
        started_s = clock.monotonic()
        active = -1  # unknown
        while self._since(started_s) < self.policy.limits.drain_s:
            try:
                counters = self.world.edge.look().releases.get(digest)
            except errors.TelemetryLost:
                break  # no edge, no requests through it
            active = counters.active if counters else 0
            if active == 0:
                break
            clock.wait(0.02)
        return e.Drained(digest, self._since(started_s), active)

    def _watch(self, command: e.Watch) -> e.Event | None:
        """Look until the gate has something to say; None when somebody asked for something else meanwhile."""
        clock = self.world.clock
        if command != self._watching:
            self._begin_watch(command)
        heard_s = clock.monotonic()
        while True:
            clock.wait(LOOK_S)
            self._hear()
            if self.pending[:1] != (command,):
                return None
            try:
                seen = self._look(command)
                heard_s = clock.monotonic()
            except errors.TelemetryLost as problem:
                silent_s = self._since(heard_s)
                if silent_s >= self.policy.limits.telemetry_silence_s:
                    return e.TelemetryLost(problem.what, silent_s)
                continue
            if seen is not None:
                evidence, suspect = seen
                blamed = None if suspect is None else asdict(suspect)
                return e.GateLooked(at_s=clock.monotonic(), weight_pct=command.weight_pct, **evidence.as_data(), suspect=blamed)

    def _begin_watch(self, command: e.Watch) -> None:
        self._watching, self._before, self._blame = command, None, gate.Attribution()
        self._gate = gate.start_step(self._gate, self.policy, (command.next_pct or 100) / 100)

    def _look(self, command: e.Watch) -> tuple[gate.Evidence, gate.Suspect | None] | None:
        now = (self.world.telemetry or self.world.edge).look()
        before, self._before = self._before, now
        if before is None or before.at_s < self._evidence_from_s:
            return None
        baseline = None if command.next_pct is None else self.state.baseline
        sample = telemetry.sample(before, now, command.digest, baseline)
        self._blame = self._blame.add(telemetry.used(before, now, command.digest, baseline))
        judge = gate.look if baseline else gate.watch_slo
        self._gate, evidence = judge(self._gate, self.policy, sample)
        return None if evidence is None else (evidence, gate.suspect(self._blame, self.policy, failed=evidence.verdict == "FAIL"))

    # Small helpers.

    def _release(self, digest: str) -> Release:
        if digest not in self._releases:
            self._releases[digest] = self.world.artifacts.verify(digest)
        return self._releases[digest]

    def _backend(self, digest: str) -> Backend:
        """What still runs of it will do, for the way back must not wait; a dead one is verified and started."""
        return self.world.runtime.alive(digest) or self.world.runtime.start(self._release(digest))

    def _backends(self, split: Split) -> list[Backend]:
        """Who may be asked: those in the split must run; the others of this environment only if they do."""
        needed = [digest for digest in (split.baseline, split.canary) if digest]
        rollout = self.state.rollout
        others = (self.state.baseline, *self.state.pinned, rollout.digest if rollout else None)
        warm = [self.world.runtime.alive(digest) for digest in dict.fromkeys(others) if digest and digest not in needed]
        return [self._backend(digest) for digest in needed] + [backend for backend in warm if backend]

    def _since(self, started_s: float) -> float:
        return self.world.clock.monotonic() - started_s


def _failure(command: e.Command, error: str, what: str) -> e.Event:
    match command:
        case e.Verify():
            return e.ReleaseRefused(command.digest, error, what)
        case e.Migrate():
            return e.MigrationFailed(command.digest, error, what)
        case e.Start():
            return e.StartFailed(command.digest, error, what)
        case e.Smoke():
            return e.SmokeFailed(command.digest, error, what)
    return e.SplitRefused(what)


def _new_id() -> str:
    return uuid.uuid4().hex[:8]
