"""What a flag may be, what it gives whom, and when it has become stale. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext

from app.flags.definitions import LONG_DAYS, given_to_all, killed, why_stale, with_percentage
from app.flags.definitions import faults as faults_of
from app.flags.snapshot import Snapshot, decoded, usable, version_of

METADATA = {"owner": "store", "kind": "release", "expires": "2027-05-31"}
TODAY = date(2026, 11, 25)


def flag(**changes: Any) -> dict[str, Any]:
    plain = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "metadata": METADATA}
    return {name: value for name, value in {**plain, **changes}.items() if value is not ...}


def rule(targeting: Any) -> dict[str, Any]:
    return flag(targeting=targeting)


COLOURS = {"variants": {"red": "#f00", "blue": "#00f"}, "defaultVariant": "red"}
DEEP: dict[str, Any] = {"var": "x"}
for _ in range(5000):
    DEEP = {"!": [DEEP]}


@pytest.mark.parametrize(
    ("key", "definition"),
    [
        ("pricing-v2", flag()),
        ("pricing-v2", flag(state="DISABLED")),
        ("colour", flag(**COLOURS)),
        ("limit", flag(variants={"low": 1, "high": 2.5}, defaultVariant="low")),
        ("layout", flag(variants={"a": {"x": 1}, "b": [1]}, defaultVariant="a")),
        ("ops", flag(metadata={"owner": "on-call", "kind": "kill-switch"})),
        ("f", rule({})),
        ("f", rule({"fractional": [["on", 0], ["off", 100]]})),
        ("f", rule({"fractional": [{"cat": [{"var": "targetingKey"}, "-again"]}, ["on", 25], ["off", 75]]})),
        ("f", rule({"if": [{"in": [{"var": "country"}, ["DE", "FR"]]}, {"fractional": [["on", 10], ["off", 90]]}, "off"]})),
        ("f", rule({"if": [{"sem_ver": [{"var": "app"}, ">=", "1.0.0"]}, "on", None]})),
        ("f", flag(variants={"true": True, "false": False}, defaultVariant="false", targeting={"==": [{"var": "country"}, "DE"]})),
    ],
)
def test_good_ones(key: str, definition: Any) -> None:
    assert faults_of(key, definition) == []


@pytest.mark.parametrize(
    ("key", "definition", "said"),
    [
        ("Bad Key", flag(), "key: "),
        ("f", 5, "definition: Should be an object"),
        ("f", flag(state="ON"), "state: Should be ENABLED or DISABLED"),
        ("f", flag(state=...), "state: "),
        ("f", flag(variants={}), "variants: "),
        ("f", flag(variants=["on"]), "variants: "),
        ("f", flag(variants={"on": True, "off": "no"}), "variants: Should all be of one type"),
        ("f", flag(variants={"on": None, "off": None}), "variants: Should all be of one type"),
        ("f", flag(variants={"on, x=y": True}, defaultVariant="on, x=y"), "variants: A variant's name"),
        ("pricing-v2", flag(**COLOURS), "variants: The code reads this flag as boolean, not string"),
        ("f", flag(defaultVariant="maybe"), "defaultVariant: Should be one of off, on"),
        ("f", flag(defaultVariant=...), "defaultVariant: "),
        ("f", flag(metadata=...), "metadata: "),
        ("f", flag(metadata={**METADATA, "owner": " "}), "metadata.owner: "),
        ("f", flag(metadata={**METADATA, "kind": "toggle"}), "metadata.kind: Should be one of release"),
        ("f", flag(metadata={**METADATA, "expires": "soon"}), "metadata.expires: Should be a date"),
        ("f", flag(metadata={"owner": "store", "kind": "experiment"}), "metadata.expires: A flag of kind experiment"),
        ("f", flag(metadata={**METADATA, "links": []}), "metadata: "),
        ("f", flag(colour="red"), "colour: There is no such field"),
        ("f", rule("on"), "targeting: Should be an object"),
        ("f", rule({"fractional": [["on", 101], ["off", -1]]}), "whole number from 0 to 100"),
        ("f", rule({"fractional": [["on", 0.5], ["off", 99.5]]}), "whole number from 0 to 100"),
        ("f", rule({"fractional": [["on", True], ["off", 99]]}), "whole number from 0 to 100"),
        ("f", rule({"fractional": [["on", 20], ["off", 20]]}), "add up to 100, not 40"),
        ("f", rule({"fractional": [["on", 50], ["maybe", 50]]}), "Should name one of the variants off, on"),
        ("f", rule({"fractional": [["on"]]}), "a variant and its percentage"),
        ("f", rule({"fractional": []}), "Should be a list"),
        ("f", rule({"if": [True, "maybe", "off"]}), "targeting.if.1: Should name one of"),
        ("f", rule({"if": [{"eval": "1"}, "on", "off"]}), "targeting.if.0.eval: There is no such operator"),
        ("f", rule({"log": "on"}), "There is no such operator"),
        ("f", rule({"if": [True], "==": [1, 1]}), "Should be one operation"),
        ("f", rule({"/": [1, 0]}), "It cannot be evaluated"),
        ("f", rule(DEEP), "levels deep"),
        ("f", flag(metadata={**METADATA, "description": "x" * 20_000}), "bytes of JSON"),
        ("f", flag(metadata={**METADATA, "description": "a\0b"}), "NUL"),
        ("f", flag(metadata={**METADATA, "description": "\ud800"}), "nothing that JSON does not know"),
        ("f", flag(variants={"a": float("nan")}, defaultVariant="a"), "nothing that JSON does not know"),
    ],
)
def test_bad_ones_are_told_where_and_what(key: str, definition: Any, said: str) -> None:
    found = faults_of(key, definition)
    assert any(said in fault for fault in found), found
    assert all(": " in fault for fault in found)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["if", "fractional", "var", "+", "sem_ver", "x"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(json_values)
@pytest.mark.thorough
def test_whatever_is_accepted_can_be_evaluated(targeting: Any) -> None:
    definition = rule(targeting)
    if faults_of("f", definition):
        return
    snapshot = Snapshot(1, {"f": definition})
    for context in (EvaluationContext(), EvaluationContext("u1", {"country": "DE"})):
        try:
            assert snapshot.core.resolve_boolean_value("f", False, context).value in (True, False)
        except Exception as error:  # a rule may still come to no variant; then the code's default holds
            assert "variant" in str(error)  # noqa: PT017


# By @openfeature/flagd-core 4.0.1, flagd's own evaluator for JavaScript: which of u0001 to u0200 are in the first quarter, and thirds of twenty.
IN_A_QUARTER = [
    *(1, 5, 10, 17, 23, 30, 33, 35, 37, 40, 42, 45, 46, 49, 54, 59, 61, 64, 77, 91, 94, 99, 105, 106, 107, 110, 111, 114, 118, 120),
    *(122, 123, 125, 135, 139, 145, 148, 150, 157, 158, 166, 169, 172, 173, 178, 188, 189, 191, 192, 194),
]
OF_THREE = "bccacabbcbaabccbcccb"


def test_percentages_are_those_of_flagd() -> None:
    quarter = Snapshot(1, {"pricing-v2": with_percentage(flag(), "on", 25)})
    users = [number for number in range(1, 201) if on(quarter, f"u{number:04d}")]
    assert users == IN_A_QUARTER
    three = flag(variants={"a": "a", "b": "b", "c": "c"}, defaultVariant="c", targeting={"fractional": [["a", 20], ["b", 30], ["c", 50]]})
    snapshot = Snapshot(1, {"three": three})
    got = [snapshot.core.resolve_string_value("three", "", EvaluationContext(f"u{number:04d}")).value for number in range(1, 21)]
    assert "".join(got) == OF_THREE


def on(snapshot: Snapshot, user: str | None) -> bool:
    return snapshot.core.resolve_boolean_value("pricing-v2", False, EvaluationContext(user)).value


def test_who_is_in_stays_in_as_the_percentage_grows() -> None:
    users = [f"u{number}" for number in range(300)]
    before: set[str] = set()
    for percentage in (0, 1, 10, 50, 90, 100):
        snapshot = Snapshot(1, {"pricing-v2": with_percentage(flag(), "on", percentage)})
        now = {user for user in users if on(snapshot, user)}
        assert before <= now
        before = now
        assert not on(snapshot, None)  # nobody known is in no percentage
    assert before == set(users)


def test_a_killed_flag_gives_the_callers_default() -> None:
    everybody = with_percentage(flag(), "on", 100)
    assert on(Snapshot(1, {"pricing-v2": everybody}), "u1")
    assert not on(Snapshot(1, {"pricing-v2": killed(everybody)}), "u1")
    assert not on(Snapshot(1, {"pricing-v2": killed(flag(defaultVariant="on"))}), "u1")


def test_the_rest_of_a_percentage_is_never_guessed() -> None:
    assert with_percentage(flag(defaultVariant="on"), "on", 30)["targeting"] == {"fractional": [["on", 30], ["off", 70]]}
    three = flag(variants={"a": "1", "b": "2", "c": "3"}, defaultVariant="a")
    assert with_percentage(three, "b", 30)["targeting"] == {"fractional": [["b", 30], ["a", 70]]}
    with pytest.raises(ValueError, match="Who gets the rest"):
        with_percentage(three, "a", 30)
    with pytest.raises(ValueError, match="more than a percentage"):
        with_percentage(rule({"if": [{"var": "x"}, "on", "off"]}), "on", 30)
    with pytest.raises(ValueError, match="Should be one of"):
        with_percentage(flag(), "maybe", 30)


@pytest.mark.parametrize(
    ("definition", "since", "said"),
    [
        (flag(), date(2026, 1, 1), None),
        (flag(metadata={**METADATA, "expires": "2026-11-25"}), TODAY, None),
        (flag(metadata={**METADATA, "expires": "2026-11-24"}), TODAY, "expired on 2026-11-24"),
        (with_percentage(flag(), "on", 100), date(2026, 10, 1), "Everybody has had 'on' for 55 days"),
        (with_percentage(flag(), "on", 99), date(2026, 10, 1), None),
        (with_percentage(flag(), "on", 100), date(2026, 11, 1), None),
        (with_percentage(flag(), "on", 100), None, None),
        (flag(defaultVariant="on"), date(2026, 10, 1), "Everybody"),
        (killed(with_percentage(flag(), "on", 100)), date(2026, 10, 1), None),
        (with_percentage(flag(metadata={**METADATA, "kind": "operations"}), "on", 100), date(2020, 1, 1), None),
    ],
)
def test_stale(definition: Any, since: date | None, said: str | None) -> None:
    why = why_stale(definition, since, TODAY)
    assert why is None if said is None else said in (why or "")
    assert LONG_DAYS == 30


def test_given_to_all() -> None:
    counted = Counter(given_to_all(one) for one in (flag(), flag(defaultVariant="on"), with_percentage(flag(), "on", 50), killed(flag())))
    assert counted == {"off": 1, "on": 1, None: 2}


def test_a_snapshot_is_what_was_kept() -> None:
    snapshot = Snapshot(7, {"pricing-v2": with_percentage(flag(), "on", 25)})
    again = decoded(snapshot.encoded())
    assert (again.version, again.flags, again.etag) == (7, snapshot.flags, snapshot.etag)
    assert version_of(again.etag) == 7
    assert [version_of(text) for text in ("", "x", '"1e3-a"', '"' + "9" * 40 + '-a"')] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"form": 1}',
        b'{"form": 2, "version": 1, "flags": {}}',
        b"\xff",
        b'{"form": 1, "version": 1, "flags": []}',
    ],
)
def test_what_is_no_snapshot_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(raw)


def test_a_broken_flag_takes_no_other_along() -> None:
    assert list(usable(1, {"pricing-v2": flag(), "broken": {"state": "ENABLED"}}).flags) == ["pricing-v2"]
