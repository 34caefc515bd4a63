"""What a flag may be. Pure: a definition in flagd's JSON form, what is wrong with it, and what it amounts to.

flagd's form is `{state, variants, defaultVariant, targeting?, metadata}`; of its metadata we ask `owner`, `kind` and, for what is meant to go
again, `expires`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from enum import StrEnum
from typing import Any

from openfeature.contrib.tools.flagd.core.targeting import targeting
from openfeature.evaluation_context import EvaluationContext

Definition = Mapping[str, Any]

KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FLAGS_MAX = 100
BYTES_MAX = 16 * 1024
DEPTH_MAX = 20
FAULTS_MAX = 20
VARIANTS_MAX = 16
LONG_DAYS = 30  # a release flag that gives everybody the same for so long has done its work

ENABLED, DISABLED = "ENABLED", "DISABLED"
FIELDS = {"state", "variants", "defaultVariant", "targeting", "metadata"}
BRANCHES = ("if", "?:")
OPERATORS = {
    *(
        "==",
        "!=",
        "===",
        "!==",
        "<",
        ">",
        "<=",
        ">=",
        "!",
        "!!",
        "+",
        "-",
        "*",
        "/",
        "%",
        "min",
        "max",
        "cat",
        "substr",
        "in",
        "merge",
        "var",
    ),
    *("missing", "missing_some", "and", "or", "map", "filter", "reduce", "all", "none", "some", *BRANCHES),
    *("fractional", "starts_with", "ends_with", "sem_ver"),
}
CODE_READS: Mapping[str, type] = {"pricing-v2": bool, "discount-codes": bool}  # what our code asks for, and with which type
TYPE_NAMES = {bool: "boolean", str: "string", float: "number", dict: "object", list: "object"}


class Kind(StrEnum):
    RELEASE = "release"
    EXPERIMENT = "experiment"
    OPERATIONS = "operations"
    KILL_SWITCH = "kill-switch"


EXPIRING = (Kind.RELEASE, Kind.EXPERIMENT)


def faults(key: str, definition: Any) -> list[str]:
    """What is wrong with it, in words for whoever wrote it; at most a screenful."""
    found = _faults(key, definition)
    return [fault for fault, _ in zip(found, range(FAULTS_MAX), strict=False)]


def _faults(key: str, definition: Any) -> Iterator[str]:
    if not KEY.fullmatch(key):
        yield "key: Should be 1 to 64 of a-z, 0-9, '.', '_' and '-', and start with a letter or digit"
    if not isinstance(definition, dict):
        yield "definition: Should be an object"
        return
    if (fault := _unstorable(definition)) is not None:
        yield fault
        return
    for field in sorted(definition.keys() - FIELDS):
        yield f"{field}: There is no such field; there are {', '.join(sorted(FIELDS))}"
    if definition.get("state") not in (ENABLED, DISABLED):
        yield f"state: Should be {ENABLED} or {DISABLED}"
    yield from _variant_faults(key, definition.get("variants"), definition.get("defaultVariant"))
    yield from _metadata_faults(definition.get("metadata"))
    variants = definition.get("variants")
    rule = definition.get("targeting")
    if rule not in (None, {}) and isinstance(variants, dict):
        broken = [*_rule_faults("targeting", rule, variants, result=True)]
        if not isinstance(rule, dict):
            broken.append("targeting: Should be an object with one operation")
        yield from broken or _trial_faults(key, definition)


def _unstorable(definition: Definition) -> str | None:
    """A walk first: neither Python nor PostgreSQL takes JSON of any depth, nor any text."""
    if _depth(definition) > DEPTH_MAX:
        return f"definition: Should be at most {DEPTH_MAX} levels deep"
    try:
        size = len(json.dumps(definition, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:  # half a surrogate pair, NaN, Infinity
        return "definition: Should hold nothing that JSON does not know"
    if size > BYTES_MAX:
        return f"definition: Should be at most {BYTES_MAX} bytes of JSON"
    if "\0" in "".join(_texts(definition)):
        return "definition: Should hold no NUL"
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in _texts(part))


def _depth(value: Any) -> int:
    """Level by level, so that no depth breaks it."""
    level, depth = [value], 0
    while level and depth <= DEPTH_MAX:
        depth += 1
        level = [part for node in level for part in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())]
    return depth


def _variant_faults(key: str, variants: Any, default: Any) -> Iterator[str]:
    if not isinstance(variants, dict) or not 1 <= len(variants) <= VARIANTS_MAX:
        yield f"variants: Should be an object with 1 to {VARIANTS_MAX} variants"
        return
    for name in variants:
        if not KEY.fullmatch(name):
            yield "variants: A variant's name should be 1 to 64 of a-z, 0-9, '.', '_' and '-'"
    kinds = {type_name(value) for value in variants.values()}
    if len(kinds) > 1 or None in kinds:
        yield "variants: Should all be of one type: boolean, string, number or object"
    elif key in CODE_READS and kinds != {TYPE_NAMES[CODE_READS[key]]}:
        yield f"variants: The code reads this flag as {TYPE_NAMES[CODE_READS[key]]}, not {kinds.pop()}"
    if not isinstance(default, str) or default not in variants:
        yield f"defaultVariant: Should be one of {', '.join(sorted(variants))}"


def type_name(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return TYPE_NAMES[float]
    return TYPE_NAMES.get(type(value))


def _metadata_faults(metadata: Any) -> Iterator[str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str | int | float) for value in metadata.values()):
        yield "metadata: Should be an object of texts, numbers and booleans, with owner, kind and expires"
        return
    owner, kind = metadata.get("owner"), metadata.get("kind")
    if not isinstance(owner, str) or not owner.strip():
        yield "metadata.owner: Should name a person or a team"
    if kind not in list(Kind):
        yield f"metadata.kind: Should be one of {', '.join(Kind)}"
    if "expires" in metadata and expiry({"metadata": metadata}) is None:
        yield "metadata.expires: Should be a date, as in 2027-05-31"
    if "expires" not in metadata and kind in EXPIRING:
        yield f"metadata.expires: A flag of kind {kind} should say when it goes, as in 2027-05-31"


def _rule_faults(where: str, rule: Any, variants: Mapping[str, Any], *, result: bool = False) -> Iterator[str]:
    """`result`: what this comes to is the variant."""
    if isinstance(rule, list):
        for number, part in enumerate(rule):
            yield from _rule_faults(f"{where}.{number}", part, variants)
    elif isinstance(rule, dict):
        yield from _operation_faults(where, rule, variants, result)
    elif result and rule is not None:
        yield from _named(where, rule, variants)


def _operation_faults(where: str, rule: Mapping[str, Any], variants: Mapping[str, Any], result: bool) -> Iterator[str]:
    if len(rule) != 1:
        yield f"{where}: Should be one operation, as in {{'fractional': …}}"
        return
    operator, arguments = next(iter(rule.items()))
    where = f"{where}.{operator}"
    if operator not in OPERATORS:
        yield f"{where}: There is no such operator"
    elif operator == "fractional":
        yield from _fraction_faults(where, arguments, variants)
    elif operator in BRANCHES and isinstance(arguments, list):
        last = len(arguments) - 1
        for number, part in enumerate(arguments):
            is_result = result and (number % 2 == 1 or number == last)
            yield from _rule_faults(f"{where}.{number}", part, variants, result=is_result)
    else:
        yield from _rule_faults(where, arguments, variants)


def _fraction_faults(where: str, arguments: Any, variants: Mapping[str, Any]) -> Iterator[str]:
    """[variant, percentage] each; in front of them may stand what to hash in place of the targeting key."""
    if not isinstance(arguments, list) or not arguments:
        yield f'{where}: Should be a list, as in [["on", 25], ["off", 75]]'
        return
    if not isinstance(arguments[0], list):
        yield from _rule_faults(f"{where}.0", arguments[0], variants)
        arguments = arguments[1:]
    shares = []
    for part in arguments:
        if not isinstance(part, list) or len(part) != 2:
            yield f'{where}: Each part should be a variant and its percentage, as in ["on", 25]'
            return
        yield from _named(where, part[0], variants)
        if not _is_percentage(part[1]):
            yield f"{where}: A percentage should be a whole number from 0 to 100"
            return
        shares.append(part[1])
    if sum(shares) != 100:
        yield f"{where}: The percentages should add up to 100, not {sum(shares)}"


def _is_percentage(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100


def _named(where: str, name: Any, variants: Mapping[str, Any]) -> Iterator[str]:
    said = str(name).lower() if isinstance(name, bool) else name
    if not isinstance(said, str) or said not in variants:
        yield f"{where}: Should name one of the variants {', '.join(sorted(variants))}"


def _trial_faults(key: str, definition: Definition) -> Iterator[str]:
    """Rules may fit all of the above and still break on what they are given: one look with and one without a user."""
    try:
        for context in (EvaluationContext(), EvaluationContext("u0001", {"country": "DE", "release": "0" * 12})):
            targeting(key, definition["targeting"], context)
    except Exception as fault:  # whatever the evaluator of rules throws
        yield f"targeting: It cannot be evaluated: {str(fault)[:100] or type(fault).__name__}"


def as_file(flags: Mapping[str, Definition]) -> dict[str, Any]:
    """What flagd reads. A copy: its reader changes what it is given."""
    return {"flags": deepcopy(dict(flags))}


def killed(definition: Definition) -> Definition:
    return {**definition, "state": DISABLED}


def is_killed(definition: Definition) -> bool:
    return bool(definition["state"] == DISABLED)


def with_percentage(definition: Definition, variant: str, percentage: int) -> Definition:
    """So many of a hundred users get this variant, the others the default one. Raises ValueError with what stands in the way."""
    variants, default = definition["variants"], definition["defaultVariant"]
    if variant not in variants:
        raise ValueError(f"percentage.variant: Should be one of {', '.join(sorted(variants))}")
    if not is_plain(definition):
        raise ValueError("percentage: This flag's targeting is more than a percentage; PUT the whole definition")
    others = [default] if variant != default else [name for name in variants if name != variant]
    if len(others) != 1:
        raise ValueError("percentage.variant: Who gets the rest? Name another variant than the default one, or PUT the whole definition")
    return {**definition, "targeting": {"fractional": [[variant, percentage], [others[0], 100 - percentage]]}}


def is_plain(definition: Definition) -> bool:
    """No targeting, or a percentage of users and nothing else."""
    rule = definition.get("targeting")
    return not rule or (list(rule) == ["fractional"] and all(isinstance(part, list) for part in rule["fractional"]))


def expiry(definition: Definition) -> date | None:
    try:
        return date.fromisoformat(definition["metadata"]["expires"])
    except (KeyError, TypeError, ValueError):
        return None


def given_to_all(definition: Definition) -> str | None:
    """The variant that every user gets, where there is one."""
    if is_killed(definition):
        return None
    if not definition.get("targeting"):
        return str(definition["defaultVariant"])
    if is_plain(definition):
        return next((str(variant) for variant, share in definition["targeting"]["fractional"] if share == 100), None)
    return None


def why_stale(definition: Definition, unchanged_since: date | None, today: date) -> str | None:
    """Why its code should go, or its expiry be thought over. `unchanged_since` is None where nobody knows."""
    expires = expiry(definition)
    if expires is not None and expires < today:
        return f"It expired on {expires}."
    variant = given_to_all(definition)
    if definition["metadata"].get("kind") == Kind.RELEASE and variant is not None and definition["variants"][variant] and unchanged_since:
        days = (today - unchanged_since).days
        if days >= LONG_DAYS:
            return f"Everybody has had {variant!r} for {days} days: keep that, and remove the flag from the code."
    return None
