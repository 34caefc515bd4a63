"""What had to hold, what was measured, and so the outcome. Pure.

A drill whose fault did not show, or whose client could not keep up, proves nothing: it is `invalid`, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from drill.cure import DONE, REFUSED, Cured
from drill.decisions import Decisions
from drill.lanes import Lane
from drill.orders import OrderCheck
from drill.samples import ClientTotals, Response
from drill.scenario import Scenario
from drill.times import Moments, Slo, Times

SWITCH_MARGIN_S = 1.0  # the switch: from its command to this long after the last answer of the bad lane
OFF_WITHIN_S = 2.0  # generous: a busy machine; `make bench B=flags` measures it
LATE_MS_MAX = 1000.0  # a client that sends later than this measures itself
GONE = ("drained", "release_stopped", "quarantined")

Kind = Literal["validity", "expectation", "safety", "budget"]
Outcome = Literal["pass", "fail", "invalid"]


@dataclass(frozen=True)
class Check:
    name: str
    kind: Kind
    wanted: str
    measured: str
    held: bool


@dataclass(frozen=True)
class Took:
    """A step before or after the rollout."""

    name: str
    wanted: str
    measured: str
    held: bool
    took_s: float = 0.0


@dataclass(frozen=True)
class Facts:
    """All that was measured in one run. `lanes` names the lane of each response."""

    scenario: Scenario
    slo: Slo
    decisions: Decisions
    responses: Sequence[Response]
    lanes: Sequence[Lane]
    client: ClientTotals | None
    moments: Moments
    times: Times
    orders: OrderCheck | None
    cured: Cured | None = None
    steps: Sequence[Took] = ()

    @property
    def variant(self) -> str | None:
        """`pricing-v2=on`, of the scenario's flag."""
        return f"{self.scenario.flag.name}=on" if self.scenario.flag else None

    def of(self, *lanes: Lane) -> list[Response]:
        return [response for response, lane in zip(self.responses, self.lanes, strict=True) if lane in lanes]

    def bad(self, response: Response) -> bool:
        return is_bad(self.scenario, self.slo, response)

    @property
    def canary_requests_at_verdict(self) -> int | None:
        """As the gate counted them."""
        failed = self.decisions.failed
        return int(failed.totals["failures"]["canary"]["requests"]) if failed else None


def is_bad(scenario: Scenario, slo: Slo, response: Response) -> bool:
    """Bad for the user who got it: failed, or, where slowness is the scenario's subject, slow."""
    return response.failed or (scenario.expect.users_see == "slow" and response.latency_ms >= slo.slow_ms)


def outcome(checks: Sequence[Check]) -> Outcome:
    broken = {check.kind for check in checks if not check.held}
    return "invalid" if "validity" in broken else "fail" if broken else "pass"


def every(facts: Facts) -> list[Check]:
    return [*_validity(facts), *_expectations(facts), *_safety(facts), *_budgets(facts)]


def _validity(facts: Facts) -> Iterator[Check]:
    if facts.scenario.expect.users_see in ("failures", "slow", "broken_pages"):
        yield _fault_shows(facts)
    client = facts.client
    said = (
        f"{client.dropped} never sent, {client.unfinished} left open; 99 % sent within {client.late_ms_p99:.0f} ms"
        if client
        else "it left no account"
    )
    held = client is not None and client.kept_up and client.late_ms_p99 <= LATE_MS_MAX
    yield Check("the client kept up", "validity", "every arrival sent, in time, and accounted for", said, held)


def _fault_shows(facts: Facts) -> Check:
    """Beyond the SLO, not just somewhere: one answer late by chance is not the fault."""
    what = facts.scenario.expect.users_see
    allowed = {"slow": facts.slo.slow_share, "broken_pages": facts.slo.broken_share}.get(what, facts.slo.failures_share)
    canary = facts.of("canary")
    whose = "the new release"
    if facts.variant:  # of those who have the flag: many others stay well
        canary, whose = [one for one in canary if one.used(facts.variant)], f"the new release with {facts.variant}"
    bad = sum(facts.bad(response) for response in canary)
    return Check(
        "the fault shows to users",
        "validity",
        f"{_words(what)} from {whose}, more than {allowed:.1%}",
        f"{bad} of {len(canary)} answers",
        bad > allowed * len(canary),
    )


def _expectations(facts: Facts) -> Iterator[Check]:
    expect, decisions = facts.scenario.expect, facts.decisions
    for step in facts.steps:
        yield Check(step.name, "expectation", step.wanted, step.measured, step.held)
    yield _equal("the rollout ends", expect.outcome, decisions.outcome)
    said = "it was interrupted" if decisions.interrupted else "yes" if decisions.outcome else "no"
    yield Check("the rollout ends by itself", "expectation", f"within {facts.scenario.load.max_s:g} s", said, said == "yes")
    if expect.verdict:
        yield _equal("the gate's verdict", expect.verdict, decisions.verdict.verdict if decisions.verdict else None)
    if expect.because:
        reasons = decisions.failed.reasons if decisions.failed else ()
        blamed = any(reason.startswith(f"{expect.because}:") for reason in reasons)
        yield Check("the verdict is because of", "expectation", expect.because, "; ".join(reasons) or "no FAIL", blamed)
    top = decisions.weight_pct_max
    yield Check("largest share of users", "expectation", f"at most {expect.weight_pct_max} %", f"{top} %", top <= expect.weight_pct_max)
    if expect.users_see == "nothing":
        answers = len(facts.of("canary"))
        yield Check("answers of the new release to users", "expectation", "none", str(answers), answers == 0)
    if expect.users_see == "health":
        yield _health(facts)
    if expect.outcome in ("aborted", "rolled_back"):
        left = [name for name in GONE if name not in decisions.after]
        said = "not " + ", not ".join(left) if left else "all done"
        yield Check("the release is taken away", "expectation", "drained, stopped and quarantined", said.replace("_", " "), not left)
    yield from _cure(facts)
    recovered = "yes" if facts.moments.recovered is not None else "no"
    wanted = f"within the SLO for {facts.scenario.confirm_s:g} s"
    yield Check("all users are well at the end", "expectation", wanted, recovered, facts.moments.recovered is not None)


def _cure(facts: Facts) -> Iterator[Check]:
    flag, cured = facts.scenario.flag, facts.cured
    if flag is None:
        return
    if not facts.scenario.cures:
        yield _equal("the engine kills the flag, and only that", "kill_first", cured.how if cured else None)
    for act in cured.frozen if cured else ():
        kill = act.what.startswith("kill")
        wanted = f"done ({DONE})" if kill else f"refused ({REFUSED})"
        yield Check(
            f"{act.what}, while flags are frozen", "expectation", wanted, str(act.status), act.status == (DONE if kill else REFUSED)
        )
    if cured and cured.how in ("kill_switch", "kill_first"):
        late_from_s = cured.asked_s + OFF_WITHIN_S
        late = sum(one.used(f"{flag.name}=on") for one in facts.responses if one.sent_s > late_from_s)
        yield Check(f"answers with {flag.name}=on, asked for {OFF_WITHIN_S:g} s after the kill", "safety", "0", str(late), late == 0)


def _health(facts: Facts) -> Check:
    canary = facts.of("canary")
    failed = sum(response.failed for response in canary)
    held = bool(canary) and failed <= facts.slo.failures_share * len(canary)
    wanted = f"at most {facts.slo.failures_share:.0%} of its answers fail"
    return Check("the new release is healthy for its users", "expectation", wanted, f"{failed} of {len(canary)}", held)


def _safety(facts: Facts) -> Iterator[Check]:
    decisions, moments = facts.decisions, facts.moments
    allowed = facts.scenario.expect.failed_requests_max
    if allowed is not None:
        failed = sum(response.failed for response in facts.responses)
        said = f"{failed} of {len(facts.responses):,}"
        yield Check("failed requests of all users, in all steps", "safety", f"at most {allowed}", said, failed <= allowed)
    if decisions.reverted_s is not None and decisions.first_user_s is not None:
        late = sum(response.sent_s > decisions.reverted_s for response in facts.of("canary"))
        yield Check("requests sent to the bad lane after the switch", "safety", "0", str(late), late == 0)
    if moments.decided is not None and moments.mitigated is not None:
        from_s, to_s = moments.decided, moments.mitigated + SWITCH_MARGIN_S
        during = [response for response in facts.of("baseline", "edge") if response.done_s >= from_s and response.sent_s <= to_s]
        failed = sum(response.failed for response in during)
        yield Check("requests of healthy lanes that the switch failed", "safety", "0", f"{failed} of {len(during)}", failed == 0)
    if facts.orders is not None:
        orders = facts.orders
        said = f"{len(orders.lost)} lost, {len(orders.doubled)} doubled of {orders.acknowledged}"
        yield Check("acknowledged orders", "safety", "each exists once", said, orders.held)


def _budgets(facts: Facts) -> Iterator[Check]:
    budgets = facts.scenario.budgets.model_dump(exclude_none=True)
    measured: dict[str, float | None] = {
        **facts.times.as_dict(),
        "verdict_canary_requests": facts.canary_requests_at_verdict,
        "users_harmed": users_harmed(facts),
    }
    for name, budget in budgets.items():
        value, unit = measured[name], " s" if name.endswith("_s") else ""
        said = "did not happen" if value is None else f"{value:.3f}{unit}" if unit else f"{value:.0f}"
        yield Check(name, "budget", f"at most {budget:g}{unit}", said, value is not None and value <= budget)


def users_harmed(facts: Facts) -> int:
    """Users who got at least one bad answer of the canary, or one that nobody owns."""
    return len({response.user for response in facts.of("canary", "edge") if facts.bad(response)})


def _equal(name: str, wanted: str, measured: str | None) -> Check:
    return Check(name, "expectation", wanted, measured or "none", wanted == measured)


def _words(users_see: str) -> str:
    return {"failures": "failures", "slow": "slow answers", "broken_pages": "broken pages"}[users_see]
