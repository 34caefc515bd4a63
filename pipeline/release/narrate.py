"""Ledger entries as sentences for people."""

from __future__ import annotations

from release import events as e
from release.home import short
from release.ledger import Entry


def tell(entry: Entry) -> str | None:
    """One line, or None for what only machines care about (intentions)."""
    fact = entry.fact()
    if not isinstance(fact, e.Event):
        return None
    return sentence(fact)


def sentence(event: e.Event) -> str:
    match event:
        case e.RolloutRequested():
            return f"rollout of {short(event.digest)} requested: {event.reason}"
        case e.RollbackRequested():
            return f"rollback from {short(event.digest)} to {short(event.to)} requested: {event.reason}"
        case e.HoldRequested():
            return f"hold requested: {event.reason}"
        case e.PromoteRequested():
            return f"promotion requested: {event.reason}"
        case e.AbortRequested():
            return f"abort requested: {event.reason}"
        case e.Interrupted():
            return "interrupted from the keyboard"
        case e.EngineLost():
            return "the engine of this rollout died; going back to a safe state"
        case e.ReleaseVerified():
            return f"{short(event.digest)} verified: signature, SBOM and provenance are for this digest (revision {event.revision[:20]})"
        case e.ReleaseRefused():
            return f"{short(event.digest)} refused: {event.what}"
        case e.SchemaMigrated():
            return f"schema migrated ({event.took_s:.1f} s)" if event.took_s else "the schema is there already"
        case e.ReleaseStarted():
            return f"{short(event.digest)} is ready on {len(event.ports)} instances ({event.took_s:.1f} s)"
        case e.MigrationFailed() | e.StartFailed() | e.SmokeFailed():
            return f"{e.name_of(type(event)).replace('_', ' ')}: {event.what}"
        case e.SmokePassed():
            return f"{short(event.digest)} passed its smoke at weight 0"
        case e.SplitSet():
            return _split(event)
        case e.SplitRefused():
            return f"the edge refused: {event.what}"
        case e.GateLooked():
            blamed = f"; {event.suspect['words']}" if event.suspect else ""
            return f"{event.verdict} at {event.weight_pct} %: {'; '.join(event.reasons)}{blamed}"
        case e.FlagKilled():
            return f"flag {event.flag} killed: {event.reason}"
        case e.FlagKillFailed():
            return f"flag {event.flag} could not be killed: {event.what}"
        case e.FlagSet():
            return f"flag {event.flag}: {event.change}: {event.reason}"
        case e.FlagsFrozen():
            return f"flags frozen: {event.reason}"
        case e.FlagFreezeFailed():
            return f"flags could not be frozen: {event.what}"
        case e.FlagsUnfrozen():
            return f"flags unfrozen: {event.reason}"
        case e.FlagUnfreezeFailed():
            return f"flags could not be unfrozen: {event.what} (release flag unfreeze --reason TEXT)"
        case e.TelemetryLost():
            return f"no telemetry for {event.silent_s:.0f} s: {event.what}"
        case e.Drained():
            left = "" if event.active_left <= 0 else f", {event.active_left} requests still in flight"
            return f"{short(event.digest)} drained ({event.took_s * 1000:.0f} ms{left})"
        case e.ReleaseStopped():
            return f"{short(event.digest)} stopped"
        case e.Frozen():
            return f"frozen: {event.reason}"
        case e.Unfrozen():
            return f"unfrozen: {event.reason}"
        case e.Quarantined():
            return f"{short(event.digest)} quarantined: {event.reason}"
        case e.QuarantineLifted():
            return f"quarantine of {short(event.digest)} lifted, cause: {event.cause}"
        case e.ColumnRestored():
            return f"{event.column} restored in {event.took_s:.1f} s: {event.from_dump} values from the dump, {event.written_since} of rows written since"
        case e.ChangeApproved():
            return f"approved by {event.by}: {event.change}"
        case e.Promoted():
            return f"{short(event.digest)} is the baseline"
        case e.RolloutEnded():
            return f"rollout {event.outcome}: {event.reason}"
        case e.LedgerRepaired():
            return f"ledger repaired from line {event.line} on; the damaged part is in {event.aside}"
    raise AssertionError(event)


def _split(event: e.SplitSet) -> str:
    if event.canary is None:
        return f"everyone is sent to {short(event.baseline)} ({event.took_s * 1000:.0f} ms)"
    return f"canary {short(event.canary)} gets {event.weight_pct} % of new requests ({event.took_s * 1000:.0f} ms)"
