"""The verdict at 100 %, where no baseline is left to compare with: the SLO itself, for as long as the last bake takes."""

from __future__ import annotations

from dataclasses import replace

from release.gate import blocks, health, words
from release.gate.capital import BLOCK_PART, STEP_PART, Capital, against_limit
from release.gate.state import NO_SAMPLE, Evidence, GateState, IndicatorState
from release.gate.verdict import Judged, conclude
from release.policy import Indicator, Policy
from release.telemetry import Sample, Tally


def watch_slo(state: GateState, policy: Policy, sample: Sample) -> tuple[GateState, Evidence | None]:
    """Take one more sample of a release that serves everyone; the first one begins the watch. Evidence comes as from `look`.

    FAIL when the capital, bet on "the mean bad share is beyond the limit", reaches 1 / false_alarm_share, or nothing is
    answered for `hang_s`. PASS when the release is within the limit over the whole watch, over so many answers that one at the
    limit would have shown a bad one, by 1 / missed_limit_share to one. Else INCONCLUSIVE.

    False alarms: a release whose mean bad share stays within the limit is rolled back, here or at an earlier step, in at most
    `false_alarm_share` of rollouts (Ville's inequality), also where bad answers come in clusters within a block. A burst that is
    not the release's fault can't be told from one that is, so stakes are small: even with a full capital of 1 it takes three
    blocks (3 s) of a total outage, or six in which everything is slow, to get to a rollback, and after a long rollout one or two more.
    """
    if any(indicator.watch_limit is None for indicator in state.indicators.values()):
        state = _begin(state, policy)
    state, block, too_few = blocks.take(state, policy, sample, compares=False)
    if block is None:
        return state, None
    if not too_few:
        state = _judge(state, block)
    return state, conclude(state, policy, block, _judged(state), too_few, compares=False)


def _begin(state: GateState, policy: Policy) -> GateState:
    """The limit of each indicator is its SLO, or, where the baseline was worse than that in this rollout, what healthy meant
    beside it: relative * its share + tolerance. The capital that is left goes on: one promise covers the whole rollout.
    """
    before = (state.totals or NO_SAMPLE).indicators
    rules = policy.gate.indicators.by_name()
    begun = {name: _begin_one(rule, state.evidence, before[name].baseline) for name, rule in rules.items()}
    return replace(state, indicators=begun)


def _begin_one(rule: Indicator, evidence: float, baseline: Tally) -> IndicatorState:
    share = min(baseline.bad / max(baseline.requests, 1), 0.5)
    limit = rule.slo_bad_share if share <= rule.slo_bad_share else rule.relative * share + rule.tolerance
    return IndicatorState(Capital(evidence * rule.capital).invest(STEP_PART), watch_limit=min(limit, 0.9))


def _judge(state: GateState, block: Sample) -> GateState:
    lanes = block.indicators
    judged = {name: _judge_one(one, lanes[name].canary) for name, one in state.indicators.items()}
    return replace(state, indicators=judged, watched=state.watched + block if state.watched else block)


def _judge_one(state: IndicatorState, block: Tally) -> IndicatorState:
    if not block.requests:
        return state
    factors = against_limit(block, _limit(state))
    return replace(state, capital=state.capital.invest(BLOCK_PART).settle(factors))


def _limit(state: IndicatorState) -> float:
    assert state.watch_limit is not None
    return state.watch_limit


def _judged(state: GateState) -> list[Judged]:
    watched = (state.watched or NO_SAMPLE).indicators
    return [
        Judged(
            name,
            one,
            counts=words.one_lane(name, watched[name].canary, _limit(one)),
            health=health.within_limit(watched[name].canary, _limit(one)),
        )
        for name, one in state.indicators.items()
    ]
