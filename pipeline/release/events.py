"""What can happen (events, past tense) and what can be asked of the world (commands, imperative), as they stand in the ledger.

Units last; `at_s` and `mono_s` are seconds of the monotonic clock. A split with `canary=None` sends everyone to the baseline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from release.policy import Step


@dataclass(frozen=True)
class Event:
    """A fact."""


@dataclass(frozen=True)
class Command:
    """A request to the world; its result comes back as an event."""


# What people ask.


@dataclass(frozen=True)
class RolloutRequested(Event):
    """`steps` and `pinned_releases` are the policy of that day: what a ledger says must not change when policy.yaml does."""

    rollout: str
    digest: str
    reason: str
    steps: tuple[Step, ...]
    pinned_releases: int
    kill_first: bool = False
    freeze_flags: bool = False  # ledgers of before flags have none


@dataclass(frozen=True)
class RollbackRequested(Event):
    """`digest` serves now and is taken back; `to` is a pinned release."""

    rollout: str
    digest: str
    to: str
    reason: str
    freeze_flags: bool = False


@dataclass(frozen=True)
class HoldRequested(Event):
    reason: str


@dataclass(frozen=True)
class PromoteRequested(Event):
    reason: str


@dataclass(frozen=True)
class AbortRequested(Event):
    reason: str


@dataclass(frozen=True)
class Interrupted(Event):
    """Ctrl-C."""


@dataclass(frozen=True)
class EngineLost(Event):
    """The engine that led this rollout is dead; whoever finds that says so."""


@dataclass(frozen=True)
class Frozen(Event):
    reason: str


@dataclass(frozen=True)
class Unfrozen(Event):
    reason: str


@dataclass(frozen=True)
class Quarantined(Event):
    digest: str
    reason: str


@dataclass(frozen=True)
class QuarantineLifted(Event):
    digest: str
    cause: str


@dataclass(frozen=True)
class LedgerRepaired(Event):
    """Lines from `line` on were set aside as `aside`. Digests that they quarantined stay so."""

    line: int
    what: str
    aside: str
    reason: str
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeApproved(Event):
    """`signature`: by `by`, of the change and the environment; it is verified again whenever it counts."""

    change: str
    by: str
    signature: str


@dataclass(frozen=True)
class ColumnRestored(Event):
    """A contract step was undone. Rows: `from_dump`, and `written_since`, which kept what they have."""

    column: str
    revision: str
    from_dump: int
    written_since: int
    took_s: float


# What the world answers.


@dataclass(frozen=True)
class ReleaseVerified(Event):
    """`policy`: its fingerprint, which is in force from here on; `policy_approvals`: how many must approve the next one. Old ledgers say neither."""

    digest: str
    revision: str
    runs_on: tuple[str, ...]
    policy: str = ""
    policy_approvals: int = 0


@dataclass(frozen=True)
class ReleaseRefused(Event):
    digest: str
    error: str
    what: str


@dataclass(frozen=True)
class SchemaMigrated(Event):
    digest: str
    took_s: float


@dataclass(frozen=True)
class MigrationFailed(Event):
    digest: str
    error: str
    what: str


@dataclass(frozen=True)
class ReleaseStarted(Event):
    digest: str
    ports: tuple[int, ...]
    took_s: float


@dataclass(frozen=True)
class StartFailed(Event):
    digest: str
    error: str
    what: str


@dataclass(frozen=True)
class SmokePassed(Event):
    digest: str
    steps_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SmokeFailed(Event):
    digest: str
    error: str
    what: str


@dataclass(frozen=True)
class SplitSet(Event):
    """The edge has acknowledged; `version` is its name for this configuration."""

    baseline: str
    canary: str | None
    weight_pct: int
    version: str
    took_s: float
    at_s: float


@dataclass(frozen=True)
class SplitRefused(Event):
    what: str


@dataclass(frozen=True)
class GateLooked(Event):
    """One look of the gate. `evidence`: how many to one against a healthy release. `sample`: this block; `totals`: since the first user.

    `suspect`: flag, variant, to_one, words, where the evidence points at a variant of a flag.
    """

    at_s: float
    weight_pct: int
    verdict: str
    reasons: tuple[str, ...]
    evidence: float
    health: Mapping[str, float]
    sample: Mapping[str, Any]
    totals: Mapping[str, Any]
    suspect: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FlagKilled(Event):
    """The code's own default holds for everybody."""

    flag: str
    reason: str
    at_s: float


@dataclass(frozen=True)
class FlagKillFailed(Event):
    flag: str
    what: str
    at_s: float


@dataclass(frozen=True)
class FlagSet(Event):
    """A person changed it by a command. `change`: what, in words."""

    flag: str
    change: str
    reason: str


@dataclass(frozen=True)
class FlagsFrozen(Event):
    """The API refuses changes of flags, but for a kill."""

    reason: str


@dataclass(frozen=True)
class FlagFreezeFailed(Event):
    what: str


@dataclass(frozen=True)
class FlagsUnfrozen(Event):
    reason: str


@dataclass(frozen=True)
class FlagUnfreezeFailed(Event):
    what: str


@dataclass(frozen=True)
class TelemetryLost(Event):
    """The edge's counters could not be read for `silent_s`."""

    what: str
    silent_s: float


@dataclass(frozen=True)
class Drained(Event):
    digest: str
    took_s: float
    active_left: int


@dataclass(frozen=True)
class ReleaseStopped(Event):
    digest: str


@dataclass(frozen=True)
class Promoted(Event):
    digest: str


@dataclass(frozen=True)
class RolloutEnded(Event):
    """outcome: promoted, aborted, refused, rolled_back or failed."""

    rollout: str
    outcome: str
    reason: str


# What the engine asks of the world.


@dataclass(frozen=True)
class Verify(Command):
    digest: str


@dataclass(frozen=True)
class Migrate(Command):
    digest: str


@dataclass(frozen=True)
class Start(Command):
    digest: str


@dataclass(frozen=True)
class Smoke(Command):
    digest: str


@dataclass(frozen=True)
class SetSplit(Command):
    """`force`: the edge refused before; start it anew."""

    baseline: str
    canary: str | None = None
    weight_pct: int = 0
    force: bool = False


@dataclass(frozen=True)
class Watch(Command):
    """Observe until the gate has something to say. `next_pct` is the share of users at risk next; None at 100 %.

    `kills`: so many flags were killed in this rollout; what was seen before the last one does not count any more.
    """

    digest: str
    weight_pct: int
    next_pct: int | None
    kills: int = 0


@dataclass(frozen=True)
class Drain(Command):
    digest: str


@dataclass(frozen=True)
class Stop(Command):
    digest: str


@dataclass(frozen=True)
class KillFlag(Command):
    flag: str
    reason: str


@dataclass(frozen=True)
class FreezeFlags(Command):
    reason: str


# Decisions: they touch nothing but the ledger.


@dataclass(frozen=True)
class Freeze(Command):
    reason: str


@dataclass(frozen=True)
class Quarantine(Command):
    digest: str
    reason: str


@dataclass(frozen=True)
class Promote(Command):
    digest: str


@dataclass(frozen=True)
class End(Command):
    rollout: str
    outcome: str
    reason: str


Fact: TypeAlias = Event | Command


def name_of(kind: type[Fact]) -> str:
    """`SplitSet` -> `split_set`: as it is spelled in the ledger."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


EVENTS: dict[str, type[Event]] = {name_of(kind): kind for kind in Event.__subclasses__()}
COMMANDS: dict[str, type[Command]] = {name_of(kind): kind for kind in Command.__subclasses__()}
