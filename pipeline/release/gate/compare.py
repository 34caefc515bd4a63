"""The verdict while a baseline serves beside the canary."""

from __future__ import annotations

from dataclasses import replace

from release.gate import blocks, health, words
from release.gate.capital import BLOCK_PART, STEP_PART, Capital, against_baseline
from release.gate.state import Evidence, GateState, IndicatorState
from release.gate.verdict import Judged, conclude
from release.policy import Indicator, Policy
from release.telemetry import Lanes, Sample


def start(policy: Policy) -> GateState:
    """Before the canary's first user: all indicators together hold a capital of 1."""
    return GateState({name: IndicatorState(Capital(rule.capital)) for name, rule in policy.gate.indicators.by_name().items()})


def start_step(state: GateState, _policy: Policy, next_share: float) -> GateState:
    """Call it when a step's weight has been acknowledged. `next_share`: of users at risk after PASS, above 0, at most 1.

    At the last step, where all are at risk already, it is 1. Evidence against the release stays, evidence of health starts afresh, and an unfinished block, of another weight, is dropped.
    """
    if not 0 < next_share <= 1:
        raise ValueError(f"next_share must be above 0 and at most 1, it is {next_share}")
    begun = {name: _begin(indicator) for name, indicator in state.indicators.items()}
    return replace(state, indicators=begun, next_share=next_share, open=None, watched=None, told_s=None, stall=None)


def _begin(indicator: IndicatorState) -> IndicatorState:
    return replace(indicator, capital=indicator.capital.invest(STEP_PART), health=health.NO_EVIDENCE, ill=False, watch_limit=None)


def look(state: GateState, policy: Policy, sample: Sample) -> tuple[GateState, Evidence | None]:
    """Take one more sample. Evidence comes with each complete block, and every 5 s without one; else None.

    FAIL as soon as the evidence reaches 1 / false_alarm_share, or the canary hangs while the baseline answers. PASS needs a
    complete block, 1 / missed_limit_share to one for health by each indicator, and a baseline within its SLO in this block.
    Everything else, no data above all, is INCONCLUSIVE.
    """
    next_share = state.next_share
    if next_share is None:
        raise ValueError("start_step comes before the first look")
    state, block, too_few = blocks.take(state, policy, sample, compares=True)
    if block is None:
        return state, None
    if not too_few:
        state = _judge(state, policy, block, next_share)
    return state, conclude(state, policy, block, _judged(state, block), too_few, compares=True)


def _judge(state: GateState, policy: Policy, block: Sample, next_share: float) -> GateState:
    rules, lanes = policy.gate.indicators.by_name(), block.indicators
    judged = {name: _judge_one(one, rules[name], lanes[name], next_share) for name, one in state.indicators.items()}
    return replace(state, indicators=judged)


def _judge_one(state: IndicatorState, rule: Indicator, block: Lanes, next_share: float) -> IndicatorState:
    """An indicator without counts of both lanes (times come a quarter of a second late) says nothing."""
    if not block.canary.requests or not block.baseline.requests:
        return state
    capital = state.capital.invest(BLOCK_PART).settle(against_baseline(block, rule, state.expected_share, _under_load(state, block)))
    if block.baseline.requests > block.canary.requests:
        state = replace(state, loaded_baseline=state.loaded_baseline + block.baseline)
    if health.beyond_slo(block.baseline, rule.slo_bad_share):  # an outage of both lanes is no evidence of health
        return replace(state, capital=capital, ill=True)
    logs = health.add(state.health, block, rule, health.limit_at(next_share, rule))
    return replace(state, capital=capital, health=logs, ill=False, calm_baseline=state.calm_baseline + block.baseline)


def _under_load(state: IndicatorState, block: Lanes) -> float:
    """As many of the baseline's answers would be bad if it carried as much as it once did; 0 where the canary carries no more than the baseline does.

    Who carries more is slower where a machine is near its bounds: load alone must not be held against the canary. Proof of health has no such mercy.
    """
    loaded = state.loaded_baseline
    if block.canary.requests <= block.baseline.requests or not loaded.requests:
        return 0.0
    return block.baseline.requests * loaded.bad / loaded.requests


def _judged(state: GateState, block: Sample) -> list[Judged]:
    assert state.totals is not None
    totals, now = blocks.counted(state.totals).indicators, block.indicators
    return [
        Judged(
            name,
            one,
            counts=words.both_lanes(name, totals[name]),
            health=health.to_one(one.health),
            ill=words.ill(name, now[name].baseline) if one.ill else None,
        )
        for name, one in state.indicators.items()
    ]
