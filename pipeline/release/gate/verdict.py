"""From the evidence of all indicators to one verdict with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from release.gate import blocks, words
from release.gate.state import Evidence, GateState, IndicatorState, Verdict
from release.policy import Policy
from release.telemetry import Sample


@dataclass(frozen=True)
class Judged:
    """One indicator: its counts in words, how many to one for health, and why that does not count now."""

    name: str
    state: IndicatorState
    counts: str
    health: float
    ill: str | None = None


def conclude(state: GateState, policy: Policy, block: Sample, judged: Sequence[Judged], too_few: str | None, *, compares: bool) -> Evidence:
    """`too_few` says why the block is not complete; then there is no PASS."""
    assert state.totals is not None
    against = _against(state, policy, block, judged, compares=compares)
    missing = [too_few] if too_few else _missing(policy, judged)
    if against:
        verdict, reasons = Verdict.FAIL, against
    elif missing:
        verdict, reasons = Verdict.INCONCLUSIVE, missing
    else:
        verdict, reasons = Verdict.PASS, [f"{one.counts}; {words.odds(one.health)} for health" for one in judged]
    health = {one.name: one.health for one in judged}
    return Evidence(verdict, tuple(reasons), state.evidence, health, block, blocks.counted(state.totals))


def _against(state: GateState, policy: Policy, block: Sample, judged: Sequence[Judged], *, compares: bool) -> list[str]:
    """Names the indicators that hold at least a tenth of the evidence."""
    if state.evidence >= 1 / policy.gate.false_alarm_share:
        blamed = [one for one in judged if one.state.capital.wealth >= 0.1 * state.evidence]
        return [f"{one.counts}; {words.odds(state.evidence)} against a healthy release" for one in blamed]
    if state.stall and blocks.hangs(state, policy, block.to_s, compares=compares):
        return [words.stalled(block.canary_active, block.to_s - state.stall.since_s)]
    return []


def _missing(policy: Policy, judged: Sequence[Judged]) -> list[str]:
    needed = 1 / policy.gate.missed_limit_share
    weak = [one for one in judged if one.ill or one.health < needed]
    return [one.ill or f"{one.counts}; {words.odds(one.health)} for health, {words.odds(needed)} needed" for one in weak]
