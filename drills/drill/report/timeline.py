"""One ordered list of what happened: the engine's events from the ledger, and the client's own moments. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from drill import decisions
from drill.checks import Facts
from release import events as e
from release.home import short
from release.ledger import Entry
from release.narrate import tell

INTENTIONS = {"set_split"}  # commands that matter to people: when the switch was decided


def timeline(facts: Facts, entries: Sequence[Entry], canary: str) -> list[dict[str, Any]]:
    """Of this rollout; `t_s` counts from its request. Undecided looks of the gate are left out: series has them."""
    entries = decisions.of(entries, canary)
    if not entries:
        return []
    zero_s = entries[0].mono_s
    events = [*_engine(entries, facts), *_client(facts, entries[-1])]
    return [event | {"t_s": round(event["mono_s"] - zero_s, 3)} for event in sorted(events, key=lambda event: float(event["mono_s"]))]


def _engine(entries: Sequence[Entry], facts: Facts) -> Iterator[dict[str, Any]]:
    for entry in entries:
        fact = entry.fact()
        if isinstance(fact, e.GateLooked) and fact is not facts.decisions.failed and fact.verdict != "FAIL":
            continue
        what = _decision(fact) if entry.name in INTENTIONS else tell(entry)
        if what:
            at_s = fact.at_s if isinstance(fact, e.GateLooked | e.SplitSet) else entry.mono_s
            yield {"source": "engine", "name": entry.name, "what": what, "mono_s": at_s, "wall": entry.wall}


def _decision(fact: e.Fact) -> str | None:
    if isinstance(fact, e.SetSplit) and fact.canary is None:
        return f"decided: send everyone to {short(fact.baseline)}"
    return None


def _client(facts: Facts, last: Entry) -> Iterator[dict[str, Any]]:
    moments, canary = facts.moments, facts.of("canary")
    cured = facts.cured
    told = [
        ("asked", cured.asked_s if cured and cured.by == "on-call" else None, f"on-call: {cured.how.replace('_', ' ')}" if cured else ""),
        ("first_canary_answer", canary[0].done_s if canary else None, "first answer of the canary to a user"),
        ("impact_started", moments.impact_started, "impact starts: a user gets the first bad answer"),
        ("mitigated", moments.mitigated, _mitigated(facts, len(canary))),
        ("recovered", moments.recovered, f"recovered: within the SLO from here on, for {facts.scenario.confirm_s:g} s"),
    ]
    for name, at_s, what in told:
        if at_s is not None:
            yield {"source": "client", "name": name, "what": what, "mono_s": at_s, "wall": _wall(at_s, last)}


def _mitigated(facts: Facts, answers: int) -> str:
    return "mitigated: the last bad answer" if facts.cured else f"mitigated: the canary has answered its last of {answers} requests"


def _wall(at_s: float, known: Entry) -> str:
    """Wall time of a monotonic moment, by an entry that has both."""
    wall = datetime.fromisoformat(known.wall) + timedelta(seconds=at_s - known.mono_s)
    return wall.isoformat(timespec="microseconds").replace("+00:00", "Z")
