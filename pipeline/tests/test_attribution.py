"""Whose fault it is: a flag's, or the release's. Imagined rollouts through the real gate, seeded, beside counts by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release import gate, policy
from release.gate import Attribution, Suspect, suspect
from release.gate.attribution import ODDS, WINDOW_ANSWERS, _evidence
from release.telemetry import ByVariants, Lanes, Sample, Tally

POLICY = policy.read(Path(__file__).parents[1] / "policy.yaml")
ON, OFF = "pricing-v2=on", "pricing-v2=off"
NONE = Tally(0, 0)


def used(**lanes: dict[str, tuple[int, int]]) -> ByVariants:
    """`used(canary={ON: (answers, failed)}, baseline={...})`."""
    names = {name for of in lanes.values() for name in of}
    pair = {name: Lanes(*(Tally(*lanes.get(lane, {}).get(name, (0, 0))) for lane in ("canary", "baseline"))) for name in names}
    return {
        name: {"failures": of, "slow": Lanes(Tally(of.canary.requests, 0), Tally(of.baseline.requests, 0))} for name, of in pair.items()
    }


def judged(*looks: ByVariants, failed: bool = True) -> Suspect | None:
    state = Attribution()
    for one in looks:
        state = state.add(one)
    return suspect(state, POLICY, failed=failed)


HEALTHY = {ON: (200, 0), OFF: (800, 1), "": (2400, 2)}


def test_bad_answers_that_follow_the_variant_are_the_flags() -> None:
    found = judged(used(canary={ON: (4, 4), OFF: (12, 0), "": (40, 0)}, baseline=HEALTHY))
    assert found is not None
    assert (found.flag, found.variant) == ("pricing-v2", "on")
    assert found.to_one > 20
    assert "4 of 4 answers with on bad (failures), 0 of 12 with another variant" in found.words


@pytest.mark.parametrize(
    "canary",
    [
        {ON: (4, 1), OFF: (12, 4), "": (40, 0)},  # a checkout that fails whatever the flag says
        {ON: (4, 4), OFF: (12, 12), "": (40, 0)},
        {OFF: (16, 8), "": (40, 0)},  # off for everybody: that all checkouts use the flag is no evidence
        {ON: (16, 8), "": (40, 0)},  # on for everybody: nothing to compare with
        {ON: (4, 4), OFF: (12, 0), "": (40, 9)},  # and something else is bad, too: a kill would not be enough
        {ON: (2, 2), OFF: (40, 0), "": (40, 0)},  # may be one user
        {"pricing-v2=default": (4, 4), ON: (12, 0), "": (40, 0)},  # to kill it would change nothing
        {"": (40, 9)},
    ],
)
def test_everything_else_is_the_releases(canary: dict[str, tuple[int, int]]) -> None:
    assert judged(used(canary=canary, baseline=HEALTHY)) is None


def test_a_variant_that_is_bad_in_both_lanes_is_no_fault_of_the_canary() -> None:
    both = {ON: (40, 20), OFF: (60, 0), "": (200, 0)}
    found = judged(used(canary={ON: (2, 1), OFF: (6, 0), "": (20, 0)}, baseline=both), failed=False)
    assert found is not None
    assert (found.flag, found.variant) == ("pricing-v2", "on")
    assert "both lanes" in found.words


def test_an_outage_of_both_lanes_is_nobodys_flag() -> None:
    ill = {ON: (40, 20), OFF: (60, 30), "": (200, 100)}
    assert judged(used(canary=ill, baseline=ill), failed=False) is None
    assert judged(used(canary={}, baseline={ON: (40, 20), OFF: (60, 0), "": (200, 60)}), failed=False) is None, "a kill would not be enough"


def test_no_verdict_no_blame_of_the_canary() -> None:
    assert judged(used(canary={ON: (4, 4), OFF: (12, 0)}, baseline=HEALTHY), failed=False) is None


def test_the_one_flag_of_several_is_named() -> None:
    canary = {
        "banner=a,pricing-v2=off": (20, 0),
        "banner=b,pricing-v2=on": (5, 5),
        "banner=a,pricing-v2=on": (5, 5),
        "banner=b,pricing-v2=off": (20, 0),
    }
    found = judged(used(canary=canary, baseline=HEALTHY))
    assert found is not None
    assert (found.flag, found.variant) == ("pricing-v2", "on")


def test_a_change_of_the_flag_is_not_mistaken_for_its_effect() -> None:
    """Off for all while all was well, then on for half, and at the same moment a bug of the release that hits both halves alike."""
    before = [used(canary={OFF: (WINDOW_ANSWERS, 0)}, baseline=HEALTHY) for _ in range(50)]
    assert judged(*before, used(canary={ON: (20, 10), OFF: (20, 9)}, baseline=HEALTHY)) is None


tallies = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda two: (max(two), min(two)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 12), m=st.integers(1, 12), data=st.data())
def test_evidence_has_expectation_one_or_less_for_an_innocent_variant(n: int, m: int, data: st.DataObject) -> None:
    """Exactly, over all ways in which k bad answers fall on n and m."""
    k = data.draw(st.integers(0, n + m))
    for number in range(len(ODDS)):
        mean = 0.0
        for x in range(max(0, k - m), min(n, k) + 1):
            chance = math.comb(n, x) * math.comb(m, k - x) / math.comb(n + m, k)
            window = {ON: {"failures": Tally(n, x)}, OFF: {"failures": Tally(m, k - x)}}
            mean += chance * math.exp(_evidence(window, ("pricing-v2", "on", "failures"))[number])
        assert mean <= 1 + 1e-9


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(st.sampled_from([ON, OFF, ""]), tallies), min_size=1, max_size=6), st.booleans())
def test_whatever_is_counted_only_what_can_be_killed_is_named(looks: list[dict[str, tuple[int, int]]], failed: bool) -> None:
    found = judged(*(used(canary=one, baseline=one) for one in looks), failed=failed)
    assert found is None or (found.variant == "on" and found.to_one >= 20)


# Imagined rollouts: whom the attribution blames when the real gate says FAIL.


@dataclass(frozen=True)
class World:
    """Requests per second, the canary's share, how many users it has, and which share of all users has the flag on."""

    rate_per_s: float = 120
    weight: float = 0.01
    canary_users: int = 21
    on: float = 0.25
    cluster: int = 1  # a bad answer is asked for again so often


Fault = Callable[[Random, int, bool, bool], bool]  # user, does it use the flag, is it on -> bad?


def first_fail(world: World, fault: Fault, random: Random) -> Suspect | str | None:
    """Who is blamed at the gate's FAIL; "held" where none comes within ten minutes."""
    state, blame = gate.start_step(gate.start(POLICY), POLICY, 0.1), Attribution()
    has_it = [random.random() < world.on for _ in range(world.canary_users)]
    canary_per_s, baseline_per_s = world.rate_per_s * world.weight, world.rate_per_s * (1 - world.weight)
    for second in range(600):
        counts: Counter[tuple[str, bool]] = Counter()
        for _ in range(_poisson(random, canary_per_s)):
            user = random.randrange(world.canary_users)
            uses = random.random() < 0.3
            variants = "" if not uses else ON if has_it[user] else OFF
            bad = fault(random, user, uses, has_it[user])
            counts[variants, bad] += world.cluster if bad else 1
        of = {name: (counts[name, True] + counts[name, False], counts[name, True]) for name in (ON, OFF, "")}
        m = round(baseline_per_s)
        baseline = {
            name: (round(m * part), sum(random.random() < 0.001 for _ in range(round(m * part))))
            for name, part in ((ON, 0.075), (OFF, 0.225), ("", 0.7))
        }
        lanes = Lanes(*(Tally(sum(n for n, _ in one.values()), sum(k for _, k in one.values())) for one in (of, baseline)))
        quiet = Lanes(Tally(lanes.canary.requests, 0), Tally(lanes.baseline.requests, 0))
        blame = blame.add(used(canary=of, baseline=baseline))
        state, evidence = gate.look(state, POLICY, Sample(second, second + 1, lanes, quiet, quiet, 0))
        if evidence and evidence.verdict == "FAIL":
            return suspect(blame, POLICY, failed=True)
    return "held"


def _poisson(random: Random, mean: float) -> int:
    count, product, limit = 0, random.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * random.random()
    return count


def blamed(world: World, fault: Fault, rollouts: int = 120, seed: int = 6) -> float:
    """Share of the FAILs that were put down to the flag."""
    found = [first_fail(world, fault, Random(f"{seed}/{number}")) for number in range(rollouts)]
    verdicts = [one for one in found if one != "held"]
    assert len(verdicts) > 0.5 * rollouts
    return sum(one is not None for one in verdicts) / len(verdicts)


FAULTS: dict[str, Fault] = {
    "the checkout fails": lambda random, user, uses, on: uses and random.random() < 0.3,
    "the checkout always fails": lambda random, user, uses, on: uses,
    "everything fails at times": lambda random, user, uses, on: random.random() < 0.1,
    "the checkout of a third of the users fails": lambda random, user, uses, on: uses and user % 3 == 0,
}
WORLDS = {
    "few users": World(),
    "few users, half have it": World(on=0.5),
    "few users, a tenth has it": World(on=0.1),
    "clusters of two": World(cluster=2),
    "many users": World(1000, 0.01, 2000),
    "many users, a tenth has it": World(1000, 0.01, 2000, 0.1),
}


@pytest.mark.thorough
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("world", WORLDS)
def test_a_bug_of_the_release_is_seldom_put_down_to_a_flag(world: str, fault: str) -> None:
    share = blamed(WORLDS[world], FAULTS[fault])
    print(f"{world}, {fault}: {share:.3f}")
    assert share <= POLICY.flags.false_kill_share


@pytest.mark.thorough
@pytest.mark.parametrize(("world", "least"), [("few users", 0.5), ("many users", 0.6), ("many users, a tenth has it", 0.9)])
def test_a_bug_behind_the_flag_is_mostly_found_to_be_one(world: str, least: float) -> None:
    """The gate says FAIL after a few bad answers; where they are too few to tell whose they are, the release goes back."""
    share = blamed(WORLDS[world], lambda random, user, uses, on: uses and on)
    print(f"{world}: {share:.3f}")
    assert share >= least
