"""What the engine asks of the world. Each port has a real adapter and an in-memory twin in adapters/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from release.approvals import Approval
from release.artifact import Release
from release.telemetry import Look
from release.traffic import Backend, Split
from release.window import Schema


class Artifacts(Protocol):
    """Built releases with their attestations."""

    def verify(self, digest: str) -> Release:
        """Check every blob, the signature, SBOM and provenance for exactly this digest.

        Raises NotADigest, UnknownDigest, Tampered, Unsigned or WrongSignature.
        """
        ...

    def sbom(self, digest: str) -> Mapping[str, Any]:
        """Its CycloneDX document. The caller has verified it."""
        ...

    def unpack(self, digest: str, into: Path) -> None:
        """Write the artifact's files below `into`. The caller has verified it."""
        ...


class Runtime(Protocol):
    """Where releases run. A release that is started stays up until stopped, also when this process ends."""

    def migrate(self, release: Release) -> None:
        """Bring the schema to the release's newest revision. Raises DatabaseFailed."""
        ...

    def downgrade(self, release: Release, revision: str) -> None:
        """Take the release's own steps back down to `revision`; only to undo a contract step. Raises DatabaseFailed."""
        ...

    def schema(self) -> Schema | None:
        """What the database is at now, read from it; None where nothing was migrated yet. Raises DatabaseFailed."""
        ...

    def start(self, release: Release) -> Backend:
        """Start all instances and wait until each is ready. Idempotent; starts what is missing. Raises NeverReady with the end of its log; then nothing of it runs."""
        ...

    def alive(self, digest: str) -> Backend | None:
        """The ports of those of its instances that live and were ready, None where there is none. Asks neither database nor network."""
        ...

    def stop(self, digest: str) -> None:
        """Stop all instances, bounded; kill what does not stop. Idempotent."""
        ...

    def running(self) -> Sequence[str]:
        """Digests of which at least one process lives."""
        ...

    def tokens(self, release: Release, words: Sequence[str]) -> str:
        """Run the release's own command for tokens of its ops API; what it prints. Raises DatabaseFailed, TokenRefused."""
        ...

    def backfill(self, release: Release, words: Sequence[str]) -> str:
        """Run the release's own backfill, beside users of what is alive of it; its progress goes to stderr, what it says in the end is returned.

        Raises BackfillUnfinished.
        """
        ...


@dataclass(frozen=True)
class Ack:
    """The edge has taken a split."""

    version: str
    took_s: float


class Edge(Protocol):
    """The proxy in front of all releases. It keeps serving the last split if we die."""

    def ensure(self, backends: Sequence[Backend], split: Split) -> None:
        """Run with exactly this configuration, starting the proxy where it does not run. Raises PortTaken, EdgeRefused."""
        ...

    def shift(self, backends: Sequence[Backend], split: Split) -> Ack:
        """Change weights (and the set of backends) and wait for the acknowledgement. Raises EdgeRefused; then the old split still serves."""
        ...

    def split(self) -> Split | None:
        """What it really serves, read back; None where it does not run."""
        ...

    def look(self) -> Look:
        """Raises TelemetryLost."""
        ...

    def address(self) -> str:
        """`http://127.0.0.1:PORT`. Raises NotUp."""
        ...

    def stop(self) -> None: ...


class Telemetry(Protocol):
    """Where the gate reads. The edge itself is one; a store of its counters is another, later one."""

    def look(self) -> Look:
        """`at_s` is when it was so, not when it was asked. Raises TelemetryLost."""
        ...


@dataclass(frozen=True)
class FlagState:
    """One flag, as the ops API has it. `definition` is flagd's."""

    key: str
    version: int
    definition: Mapping[str, Any]
    killed: bool
    stale: bool


@dataclass(frozen=True)
class FlagChange:
    """Who, when, why, from what to what."""

    at: str
    actor: str
    action: str
    flag: str | None
    reason: str
    old: Any
    new: Any


@dataclass(frozen=True)
class FlagsState:
    version: int
    frozen: Mapping[str, str] | None  # reason, actor, at
    flags: Sequence[FlagState]
    changes: Sequence[FlagChange]  # newest first


class Flags(Protocol):
    """Feature flags at run time, by the API of one release. Every call is bounded and raises FlagsAway, TokenRefused or FlagRefused."""

    def kill(self, digest: str, flag: str, reason: str) -> None:
        """The code's own default for everybody. Always allowed; idempotent."""
        ...

    def freeze(self, digest: str, reason: str) -> None:
        """Refuse every change but a kill. Idempotent."""
        ...

    def unfreeze(self, digest: str, reason: str) -> None: ...

    def list(self, digest: str) -> FlagsState: ...


class Approvers(Protocol):
    """Whose yes counts."""

    def verify(self, change: str, signature: str) -> Approval:
        """Raises BadApproval where it is no signature of this change in this environment, or by nobody in the list."""
        ...


class Smoke(Protocol):
    def check(self, address: str, release: Release) -> Mapping[str, float]:
        """A short journey through the edge to exactly this release at weight 0, and the warm-up: step -> milliseconds. Raises SmokeFailed."""
        ...


class Clock(Protocol):
    def monotonic(self) -> float: ...

    def wait(self, seconds: float) -> None:
        """Raises Interrupted when a person asked to stop."""
        ...
