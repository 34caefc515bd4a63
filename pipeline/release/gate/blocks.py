"""Samples collected into blocks. Only the number of answers decides when a block ends, never what they were."""

from __future__ import annotations

from dataclasses import replace

from release.gate import words
from release.gate.state import GateState, Stall
from release.policy import GatePolicy, Policy
from release.telemetry import Lanes, Sample, Tally

TELL_AT_LEAST_EVERY_S = 5.0  # also when nothing happens: the ledger shows that the gate looks
STALLED_REQUESTS = 5  # in flight at once, before "none answered" means anything


def take(state: GateState, policy: Policy, sample: Sample, *, compares: bool) -> tuple[GateState, Sample | None, str | None]:
    """Add a sample. Returns the state, the block if there is something to say, and why that block is not complete.

    `compares`: there is a baseline, and a block needs answers of both lanes.
    """
    state = _collect(state, sample)
    assert state.open is not None
    block = counted(state.open)
    if _has_ended(block, policy.gate, compares=compares):
        return replace(state, open=None, told_s=sample.to_s), block, None
    if hangs(state, policy, sample.to_s, compares=compares) or _silent_too_long(state, sample):
        return replace(state, told_s=sample.to_s), block, words.too_few(block, compares=compares)
    return state, None, None


def _collect(state: GateState, sample: Sample) -> GateState:
    return replace(
        state,
        open=state.open + sample if state.open else sample,
        totals=state.totals + sample if state.totals else sample,
        told_s=sample.from_s if state.told_s is None else state.told_s,
        stall=_stall(state.stall, sample),
    )


def _stall(stall: Stall | None, sample: Sample) -> Stall | None:
    if sample.failures.canary.requests or sample.canary_active < STALLED_REQUESTS:
        return None
    since = stall or Stall(sample.from_s, 0)
    return Stall(since.since_s, since.baseline_answers + sample.failures.baseline.requests)


def hangs(state: GateState, policy: Policy, at_s: float, *, compares: bool) -> bool:
    """The canary answers nothing for `hang_s`, and a baseline, where there is one, does."""
    stall = state.stall
    return stall is not None and at_s - stall.since_s >= policy.limits.hang_s and (stall.baseline_answers > 0 or not compares)


def _has_ended(block: Sample, policy: GatePolicy, *, compares: bool) -> bool:
    canary, baseline = block.failures.canary.requests, block.failures.baseline.requests
    if block.to_s - block.from_s < policy.block_s or not canary or (compares and not baseline):
        return False
    return canary + baseline >= policy.block_requests or canary >= policy.block_canary_requests


def _silent_too_long(state: GateState, sample: Sample) -> bool:
    return state.told_s is not None and sample.to_s - state.told_s >= TELL_AT_LEAST_EVERY_S


def counted(sample: Sample) -> Sample:
    """At most one bad answer per request: an attempt that was retried and then failed counts once."""
    return sample.each(_capped)


def _capped(lanes: Lanes) -> Lanes:
    return Lanes(*(Tally(lane.requests, min(lane.bad, lane.requests)) for lane in (lanes.canary, lanes.baseline)))
