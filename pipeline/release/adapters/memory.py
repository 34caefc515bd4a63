"""In-memory twins of every port: a world of dicts with a clock that jumps. Ships with the engine, so that forks test with it, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from release import errors, window
from release.approvals import Approval
from release.artifact import Release, checked
from release.ports import Ack, FlagsState, FlagState
from release.telemetry import NO_ANSWERS, Counters, Look, Used
from release.traffic import Backend, Split, loopback


@dataclass
class MemoryClock:
    """`wait` moves time on. `at(seconds, call)` calls once when that time has come, as another process would act."""

    now_s: float = 0.0
    _calls: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    interrupted: bool = False

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        due = [call for at_s, call in self._calls if at_s <= self.now_s]
        self._calls = [(at_s, call) for at_s, call in self._calls if at_s > self.now_s]
        for call in due:
            call()
        if self.interrupted:
            self.interrupted = False
            raise errors.Interrupted("interrupted")

    def at(self, at_s: float, call: Callable[[], None]) -> None:
        self._calls.append((at_s, call))

    def interrupt(self) -> None:
        self.interrupted = True


@dataclass
class MemoryArtifacts:
    releases: dict[str, Release] = field(default_factory=dict)

    def add(self, digest: str) -> str:
        self.releases[digest] = Release(digest, "0" * 40, ("0001",))
        return digest

    def verify(self, digest: str) -> Release:
        if checked(digest) not in self.releases:
            raise errors.UnknownDigest(f"{digest} is not here.")
        return self.releases[digest]

    def sbom(self, digest: str) -> Mapping[str, Any]:
        self.verify(digest)
        return {"components": []}

    def unpack(self, digest: str, into: Path) -> None:  # noqa: ARG002 - there are no files
        self.verify(digest)


@dataclass
class MemoryRuntime:
    """`never_ready`: digests that end at start."""

    up: dict[str, Backend] = field(default_factory=dict)
    never_ready: set[str] = field(default_factory=set)
    migrations_fail: bool = False
    at: window.Schema | None = None
    migrated: list[str] = field(default_factory=list)  # whose migrations ran
    _ports: int = 20_000

    def migrate(self, release: Release) -> None:
        if self.migrations_fail:
            raise errors.DatabaseFailed("The database does not answer.")
        self.at = window.after(release, self.at)
        self.migrated.append(release.digest)

    def downgrade(self, release: Release, revision: str) -> None:  # noqa: ARG002
        self.at = window.Schema(revision, revision)

    def schema(self) -> window.Schema | None:
        return self.at

    def start(self, release: Release) -> Backend:
        if release.digest in self.never_ready:
            raise errors.NeverReady(f"{release.digest} ended at start.")
        if release.digest not in self.up:
            self._ports += 2
            self.up[release.digest] = Backend(release.digest, loopback((self._ports, self._ports + 1)))
        return self.up[release.digest]

    def alive(self, digest: str) -> Backend | None:
        return self.up.get(digest)

    def stop(self, digest: str) -> None:
        self.up.pop(digest, None)

    def running(self) -> Sequence[str]:
        return list(self.up)

    def tokens(self, release: Release, words: Sequence[str]) -> str:  # noqa: ARG002
        return "slw_memory"

    def backfill(self, release: Release, words: Sequence[str]) -> str:  # noqa: ARG002
        if self.at:
            self.at = replace(self.at, unfinished=())
        return "{}"


@dataclass
class MemoryEdge:
    """Counters follow from the clock: `rate_per_s` requests split by weight, each release with its shares of failed and slow answers and of broken pages.

    With `flags`, a part of the users gets the variant `on` of each flag there that is turned on, and `failed_on` says which share of their answers fails.
    """

    clock: MemoryClock
    flags: MemoryFlags | None = None
    failed_on: dict[str, float] = field(default_factory=dict)
    rate_per_s: float = 200.0
    failed: dict[str, float] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    broken: dict[str, float] = field(default_factory=dict)
    blind: bool = False
    refuses: int = 0  # how many of the next configurations to refuse
    serving: Split | None = None
    stopped: int = 0
    history: list[Split] = field(default_factory=list)
    _counts: dict[str, list[float]] = field(default_factory=dict)
    _used: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _counted_s: float = 0.0

    def ensure(self, backends: Sequence[Backend], split: Split) -> None:
        self._take(backends, split)

    def shift(self, backends: Sequence[Backend], split: Split) -> Ack:
        self._take(backends, split)
        return Ack(str(len(self.history)), 0.002)

    def _take(self, backends: Sequence[Backend], split: Split) -> None:
        self._count()
        if self.refuses:
            self.refuses -= 1
            raise errors.EdgeRefused("The edge refused the configuration.")
        assert {split.baseline, split.canary or split.baseline} <= {backend.digest for backend in backends}
        self.serving = split
        self.history.append(split)

    def split(self) -> Split | None:
        return self.serving

    def look(self) -> Look:
        if self.blind or self.serving is None:
            raise errors.TelemetryLost("The edge's counters can't be read.")
        self._count()
        releases = {digest: _counters(counts) for digest, counts in self._counts.items()}
        for digest in (self.serving.baseline, self.serving.canary):
            if digest:
                releases.setdefault(digest, NO_ANSWERS)
        used: dict[str, dict[str, Used]] = {}
        for (digest, variants), counts in self._used.items():
            used.setdefault(digest, {})[variants] = Used(int(counts[0]), int(counts[1]))
        return Look(self.clock.monotonic(), releases, used)

    def address(self) -> str:
        if self.serving is None:
            raise errors.NotUp("Nothing serves.")
        return "http://memory"

    def stop(self) -> None:
        self.serving = None
        self.stopped += 1

    def _count(self) -> None:
        requests = (self.clock.monotonic() - self._counted_s) * self.rate_per_s
        self._counted_s = self.clock.monotonic()
        if self.serving is None:
            return
        canary_share = self.serving.weight_pct / 100 if self.serving.canary else 0.0
        for digest, share in ((self.serving.canary, canary_share), (self.serving.baseline, 1 - canary_share)):
            if digest is None:
                continue
            counts = self._counts.setdefault(digest, [0.0] * 5)
            bad = [of.get(digest, 0.0) for of in (self.failed, self.slow, self.broken)]
            for index, part in enumerate((1.0, bad[0], 1.0, *bad[1:])):
                counts[index] += requests * share * part
            counts[1] += self._count_variants(digest, requests * share, bad[0])

    def _count_variants(self, digest: str, requests: float, failed: float) -> float:
        """Failed answers that are the flag's doing, beside those of the release."""
        on = self.flags.on_share if self.flags else 0.0
        more = self.failed_on.get(digest, 0.0) * (1 - failed)
        for variants, share, bad in (("f=on", on, failed + more), ("f=off", 1 - on, failed)):
            counts = self._used.setdefault((digest, variants), [0.0, 0.0])
            counts[0] += requests * share
            counts[1] += requests * share * bad
        return requests * on * more


def _counters(counts: list[float]) -> Counters:
    completed, failed, timed, slow, broken = (int(part) for part in counts)
    return Counters(completed, failed, timed, slow, broken, active=0)


@dataclass
class MemoryFlags:
    """One flag, `f`, on for `on_share` of the users. `away`: the API does not answer."""

    on_share: float = 0.0
    away: bool = False
    killed: bool = False
    frozen: str | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)  # what, and of which release

    def kill(self, digest: str, flag: str, reason: str) -> None:  # noqa: ARG002
        self._ask("kill", digest)
        if flag != "f":
            raise errors.FlagRefused(f"There is no flag {flag}.")
        self.on_share, self.killed = 0.0, True

    def freeze(self, digest: str, reason: str) -> None:
        self._ask("freeze", digest)
        self.frozen = self.frozen or reason

    def unfreeze(self, digest: str, reason: str) -> None:  # noqa: ARG002
        self._ask("unfreeze", digest)
        self.frozen = None

    def list(self, digest: str) -> FlagsState:
        self._ask("list", digest)
        frozen = None if self.frozen is None else {"reason": self.frozen, "actor": "memory", "at": ""}
        return FlagsState(1, frozen, [FlagState("f", 1, {}, self.killed, stale=False)], [])

    def _ask(self, what: str, digest: str) -> None:
        self.asked.append((what, digest))
        if self.away:
            raise errors.FlagsAway("The ops API does not answer.")


@dataclass
class MemoryApprovers:
    """A signature is the name of who signed; `people` are those in the list."""

    people: set[str] = field(default_factory=set)

    def verify(self, change: str, signature: str) -> Approval:
        if signature not in self.people:
            raise errors.BadApproval(f"{signature} is not in the list.")
        return Approval(change, (signature,), f"key of {signature}")


@dataclass
class MemorySmoke:
    fails: set[str] = field(default_factory=set)

    def check(self, address: str, release: Release) -> Mapping[str, float]:  # noqa: ARG002
        if release.digest in self.fails:
            raise errors.SmokeFailed(f"{release.digest}: GET /api/products answered 500.")
        return {"list": 1.0}
