"""Is it a flag, and not the release? Whether bad answers follow a variant of a flag among the requests that used that flag. Pure.

Who used the flag is compared with who used it, so the release's own code is the same on both sides: users fall into variants by a hash, as in an
experiment. That a checkout fails, and all checkouts use the flag, is no evidence; that it fails with `on` and not with `off` is.

Per window, `n` of the flag's answers had the variant and `m` another one, w = n / (n + m). If the variant has no part in it, then of k bad ones the x with
the variant are drawn without replacement, and for each odds ratio r

    r^x / (1 + w (r - 1))^k

has expectation 1 or less: it is convex in x, a hypergeometric x is less spread than a binomial one (Hoeffding, "Probability inequalities for sums of bounded
random variables", 1963, theorem 4), and for a binomial one the expectation is exactly 1. The mean over ODDS of the products over windows is so an
e-process: by Ville's inequality it ever reaches the number of cases / false_kill_share for any innocent variant with probability `false_kill_share` at most, for
answers that fail independently of each other. Windows end by the number of answers alone, so that a change of the flag is not mistaken for its effect.

A kill must also be able to help: what did not have the variant is as healthy as the baseline's. Two cases:

    the canary's      the gate said FAIL: its evidence is the variant's
    both lanes        a flag was turned on meanwhile and is bad in both: no fault of the canary, and no verdict comes of it

Where nobody used another variant of the flag (it is on for everyone) there is nothing to compare with, and the release is held to be the cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from release.gate.health import beyond_slo
from release.gate.words import odds
from release.policy import Indicator, Policy
from release.telemetry import ByVariants, Tally

ODDS = (10.0, 100.0, 1000.0)
WINDOW_ANSWERS = 40  # that used a flag
BAD_LEAST = 3  # one or two may be one user's
SAFE = frozenset({"", "off", "default"})  # what a kill leads to: to kill these changes nothing
INDICATORS = ("failures", "slow")
NOTHING = Tally(0, 0)

Case = tuple[str, str, str]  # flag, variant, indicator
Logs = tuple[float, ...]
Counts = Mapping[str, Mapping[str, Tally]]  # per variants and indicator


@dataclass(frozen=True)
class Group:
    """Answers whose variants are compared: the canary's, or those of both lanes."""

    open: Counts = field(default_factory=dict)
    totals: Counts = field(default_factory=dict)
    closed: Mapping[Case, Logs] = field(default_factory=dict)

    def add(self, counts: Counts) -> Group:
        grown = replace(self, open=_sum(self.open, counts), totals=_sum(self.totals, counts))
        answers = sum(of["failures"].requests for variants, of in grown.open.items() if variants)
        return replace(grown, open={}, closed=grown.logs()) if answers >= WINDOW_ANSWERS else grown

    def logs(self) -> dict[Case, Logs]:
        """With the window that is not complete yet."""
        none = (0.0,) * len(ODDS)
        cases = {*self.closed, *_cases(self.open)}
        return {case: tuple(a + b for a, b in zip(self.closed.get(case, none), _evidence(self.open, case), strict=True)) for case in cases}


LANES = ("canary", "baseline")


@dataclass(frozen=True)
class Attribution:
    """What is remembered between two looks, since the watch began."""

    canary: Group = Group()
    both: Group = Group()
    baseline: Counts = field(default_factory=dict)

    def add(self, used: ByVariants) -> Attribution:
        canary, baseline = (
            {variants: {what: getattr(of, lane) for what, of in by.items()} for variants, by in used.items()} for lane in LANES
        )
        return Attribution(self.canary.add(canary), self.both.add(_sum(canary, baseline)), _sum(self.baseline, baseline))


@dataclass(frozen=True)
class Suspect:
    """`to_one`: how many to one against an innocent variant."""

    flag: str
    variant: str
    to_one: float
    words: str


def suspect(state: Attribution, policy: Policy, *, failed: bool) -> Suspect | None:
    """The variant to blame, if there is one. `failed`: the gate said FAIL, so that the rest of the canary must be well whosever fault it is."""
    rules = policy.gate.indicators.by_name()
    for group, own in ((state.canary, True), (state.both, False)):
        if own and not failed:
            continue
        case, to_one = _strongest(group)
        if case is None or to_one < 1 / policy.flags.false_kill_share:
            continue
        flag, variant, _ = case
        canary_well = all(_as_baseline(state, flag, variant, name, rules[name]) for name in INDICATORS)
        if (canary_well or not failed) and (own or _bad_in_both(state, rules, case)):
            return Suspect(flag, variant, to_one, _words(group, case, to_one, own=own))
    return None


def _strongest(group: Group) -> tuple[Case | None, float]:
    """Evidence shared between all cases that could have been named."""
    found = group.logs()
    best = max(found, key=lambda case: _mean(found[case]), default=None)
    if best is None or _with(group.totals, best[0], best[1], best[2]).bad < BAD_LEAST:
        return None, 0.0
    return best, _mean(found[best]) / len(found)


def _mean(logs: Logs) -> float:
    return sum(math.exp(min(log, 680.0)) for log in logs) / len(logs)


def _as_baseline(state: Attribution, flag: str, variant: str, indicator: str, rule: Indicator) -> bool:
    """The canary's answers without the variant are not worse, beyond chance, than the baseline's: two standard deviations, and one."""
    canary = _without(state.canary.totals, flag, variant, indicator)
    baseline = _without(state.baseline, flag, variant, indicator)
    share = baseline.bad / baseline.requests if baseline.requests else rule.slo_bad_share
    expected = (rule.relative * share + rule.tolerance) * canary.requests
    return canary.bad <= expected + 2 * math.sqrt(expected) + 1


def _bad_in_both(state: Attribution, rules: Mapping[str, Indicator], case: Case) -> bool:
    """With the variant the baseline itself is beyond its SLO, without it all are within."""
    flag, variant, indicator = case
    ill = beyond_slo(_with(state.baseline, flag, variant, indicator), rules[indicator].slo_bad_share)
    return ill and not any(beyond_slo(_without(state.both.totals, flag, variant, name), rules[name].slo_bad_share) for name in INDICATORS)


def _words(group: Group, case: Case, to_one: float, *, own: bool) -> str:
    flag, variant, indicator = case
    mine, others = _with(group.totals, flag, variant, indicator), _others(group.totals, flag, variant, indicator)
    rest, whose = _without(group.totals, flag, variant, indicator), "canary" if own else "both lanes"
    return (
        f"flag {flag}: of {whose}, {mine.bad} of {mine.requests} answers with {variant} bad ({indicator}), {others.bad} of {others.requests}"
        f" with another variant, {rest.bad} of {rest.requests} of all without it; {odds(to_one)} against an innocent variant"
    )


# Counting.


def _cases(counts: Counts) -> Iterator[Case]:
    pairs = {pair for variants in counts for pair in _pairs(variants) if pair[1] not in SAFE}
    return ((flag, variant, indicator) for flag, variant in sorted(pairs) for indicator in INDICATORS)


def _pairs(variants: str) -> list[tuple[str, str]]:
    """`a=on,b=off` -> (a, on), (b, off)."""
    return [(flag, variant) for flag, _, variant in (part.partition("=") for part in variants.split(",")) if flag]


def _evidence(window: Counts, case: Case) -> Logs:
    """Logarithms of r^x / (1 + w (r - 1))^k."""
    mine, others = _with(window, *case), _others(window, *case)
    if not mine.requests or not others.requests:
        return (0.0,) * len(ODDS)
    share = mine.requests / (mine.requests + others.requests)
    return tuple(mine.bad * math.log(ratio) - (mine.bad + others.bad) * math.log1p(share * (ratio - 1)) for ratio in ODDS)


def _with(counts: Counts, flag: str, variant: str, indicator: str) -> Tally:
    return _total(of[indicator] for variants, of in counts.items() if (flag, variant) in _pairs(variants))


def _others(counts: Counts, flag: str, variant: str, indicator: str) -> Tally:
    """Those that used the flag, too, and got another variant."""
    used = (of[indicator] for variants, of in counts.items() if flag in dict(_pairs(variants)) and (flag, variant) not in _pairs(variants))
    return _total(used)


def _without(counts: Counts, flag: str, variant: str, indicator: str) -> Tally:
    return _total(of[indicator] for variants, of in counts.items() if (flag, variant) not in _pairs(variants))


def _total(tallies: Iterator[Tally]) -> Tally:
    return sum(tallies, NOTHING)


def _sum(one: Counts, other: Counts) -> Counts:
    return {
        variants: {what: one.get(variants, {}).get(what, NOTHING) + other.get(variants, {}).get(what, NOTHING) for what in INDICATORS}
        for variants in {*one, *other}
    }
