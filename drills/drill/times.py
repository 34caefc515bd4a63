"""Moments and durations of a drill, as DESIGN.md §5 defines them. Pure: from the ledger's decisions and the client's responses.

impact_started ──detect──▶ detected ──▶ decided ──▶ mitigated ──▶ recovered
                               └────── revert ────────┘
└────────────────── mitigate ─────────────────────────┘
└────────────────── recover ───────────────────────────────────────┘
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from drill.cure import Cured
from drill.decisions import Decisions
from drill.lanes import Lane
from drill.samples import Response

WINDOW_REQUESTS_MIN = 20  # fewer say nothing about a share of 1 %


@dataclass(frozen=True)
class Slo:
    """What users may expect. Source: policy.yaml, gate."""

    slow_ms: float
    failures_share: float
    slow_share: float
    broken_share: float


@dataclass(frozen=True)
class Moments:
    """Seconds of CLOCK_MONOTONIC; None: it did not come to that."""

    rollout_requested: float | None
    first_user: float | None  # the first share of the users was acknowledged by the edge
    impact_started: float | None  # a user got the first bad response of the canary
    detected: float | None  # the gate said FAIL
    decided: float | None  # the command to send everyone back was in the ledger
    mitigated: float | None  # the last request to the bad lane was answered, and the edge sends no more
    recovered: float | None  # start of the first window of confirm_s within the SLO


@dataclass(frozen=True)
class Times:
    """Durations in seconds; None where one end of it did not happen."""

    build_s: float | None
    deploy_s: float | None  # rollout requested -> first share of the users
    detect_s: float | None  # impact started -> detected
    revert_s: float | None  # detected -> mitigated
    mitigate_s: float | None  # impact started -> mitigated
    recover_s: float | None  # impact started -> recovered; None where nothing was mitigated

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def moments(
    decisions: Decisions,
    responses: Sequence[Response],
    lanes: Sequence[Lane],
    bad: Callable[[Response], bool],
    slo: Slo,
    confirm_s: float,
    cured: Cured | None = None,
) -> Moments:
    """`responses` are in the order of `done_s`; `lanes` names the lane of each.

    `cured` other than by weight 0 during the rollout: mitigated is the last bad answer; detected, where a person acted, their word.
    """
    canary = [response for response, lane in zip(responses, lanes, strict=True) if lane == "canary"]
    mitigated_s = _mitigated(decisions, canary) if cured is None else max([cured.asked_s, *(one.done_s for one in canary if bad(one))])
    detected_s = decisions.failed.at_s if decisions.failed else None
    calm_from_s = mitigated_s or decisions.ended_s
    return Moments(
        rollout_requested=decisions.requested_s,
        first_user=decisions.first_user_s,
        impact_started=next((response.done_s for response in canary if bad(response)), None),
        detected=cured.asked_s if cured and cured.by == "on-call" else detected_s,
        decided=cured.asked_s if cured else decisions.decided_s,
        mitigated=mitigated_s,
        recovered=recovered(responses, calm_from_s, slo, confirm_s) if calm_from_s is not None else None,
    )


def _mitigated(decisions: Decisions, canary: Sequence[Response]) -> float | None:
    """Not before the edge's acknowledgement: until then a user could still have been sent there."""
    if decisions.reverted_s is None or decisions.first_user_s is None:
        return None
    return max([decisions.reverted_s, *(response.done_s for response in canary)])


def recovered(responses: Sequence[Response], from_s: float, slo: Slo, confirm_s: float) -> float | None:
    """Start of the first window (t, t + confirm_s], all of it measured, in which the answers of all users are within the SLO.

    t is `from_s`, or the moment of a later bad response: only these can begin the first good window.
    """
    if not responses:
        return None
    known_until_s = responses[-1].done_s
    after = [response for response in responses if response.done_s > from_s]
    done_s = [response.done_s for response in after]
    starts = [from_s] + [response.done_s for response in after if response.failed or response.latency_ms >= slo.slow_ms]
    for start_s in starts:
        if start_s + confirm_s > known_until_s:
            return None
        if within_slo(after[bisect(done_s, start_s) : bisect(done_s, start_s + confirm_s)], slo):
            return start_s
    return None


def within_slo(window: Sequence[Response], slo: Slo) -> bool:
    failed = sum(response.failed for response in window)
    slow = sum(response.latency_ms >= slo.slow_ms for response in window)
    enough = len(window) >= WINDOW_REQUESTS_MIN
    return enough and failed <= slo.failures_share * len(window) and slow <= slo.slow_share * len(window)


def times(moments: Moments, build_s: float | None) -> Times:
    return Times(
        build_s=build_s,
        deploy_s=_between(moments.rollout_requested, moments.first_user),
        detect_s=_between(moments.impact_started, moments.detected),
        revert_s=_between(moments.detected, moments.mitigated),
        mitigate_s=_between(moments.impact_started, moments.mitigated),
        recover_s=_between(moments.impact_started, moments.recovered if moments.mitigated is not None else None),
    )


def _between(start_s: float | None, end_s: float | None) -> float | None:
    return None if start_s is None or end_s is None else round(end_s - start_s, 6)
