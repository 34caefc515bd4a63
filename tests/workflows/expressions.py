"""GitHub's expressions, as far as our workflows use them. What it does not know it refuses: nothing is guessed.

https://docs.github.com/en/actions/reference/workflows-and-actions/expressions. The table of its test was compared with GitHub's own evaluator.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = Any  # None, bool, float, str, list, dict: what JSON has
Functions = Mapping[str, Callable[..., Value]]
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign>==|!=|&&|\|\||[!().,*\[\]])|(?P<name>[A-Za-z_][\w-]*))"
)
INSIDE = re.compile(r"\$\{\{(.*?)\}\}", re.S)
CONSTANTS: Mapping[str, Value] = {"true": True, "false": False, "null": None}
STATUS = ("always", "success", "failure", "cancelled")


class BadExpression(Exception):
    """GitHub would refuse it, or we do not know it."""


class Splat(list[Value]):
    """What `.*` gives: a property of it is that property of each."""


def evaluate(source: str, context: Mapping[str, Value], status: Functions | None = None) -> Value:
    """The value of what stands between `${{` and `}}`. `status`: the functions of an `if`. Raises BadExpression."""
    reader = _Reader(_tokens(source), {name.lower(): value for name, value in context.items()}, {**_FUNCTIONS, **(status or {})})
    value = reader.either()
    if reader.rest:
        raise BadExpression(f"{source!r}: nothing should follow before {reader.rest[0]!r}")
    return value


def fill(template: Value, context: Mapping[str, Value]) -> str:
    """A value of the YAML as the text that a step gets."""
    return INSIDE.sub(lambda found: text(evaluate(found[1], context)), template if isinstance(template, str) else text(template))


def holds(condition: Value, context: Mapping[str, Value], status: Functions) -> bool:
    """An `if`: with no status function in it, it also asks for success."""
    if condition is None:
        return truthy(status["success"]())
    source = str(text(condition)).strip()
    inside = INSIDE.fullmatch(source)
    if inside is None and INSIDE.search(source):
        raise BadExpression(f"{source!r} is always true: part of it stands outside of ${{{{ }}}}")
    source = inside[1] if inside else source
    asked = any(re.search(rf"\b{name}\s*\(", re.sub(r"'(?:[^']|'')*'", "", source)) for name in STATUS)
    return truthy(evaluate(source, context, status)) and (asked or truthy(status["success"]()))


def truthy(value: Value) -> bool:
    return value not in (None, False, 0, "") or isinstance(value, list | dict)


def text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(int(value)) if value == int(value) else repr(value)
        case str():
            return value
        case list():
            return "Array"
        case _:
            return "Object"


def equal(left: Value, right: Value) -> bool:
    """Text without regard to case; of two kinds, as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return bool(_number(left) == _number(right))


def _number(value: Value) -> float:
    match value:
        case None:
            return 0.0
        case str():
            try:
                return float(value) if value.strip() else 0.0
            except ValueError:
                return math.nan
        case _:
            return float(value)


def _tokens(source: str) -> list[str]:
    found, at = [], 0
    while source[at:].strip():
        token = TOKEN.match(source, at)
        if token is None:
            raise BadExpression(f"{source!r}: {source[at:].strip()[:20]!r} is not known")
        found.append(token[0].strip())
        at = token.end()
    return found


@dataclass
class _Reader:
    """Reads and evaluates at once: weakest operator first, as GitHub's grammar has it."""

    rest: list[str]
    context: Mapping[str, Value]
    functions: Functions

    def either(self) -> Value:
        value = self.both()
        while self._take("||"):
            other = self.both()
            value = value if truthy(value) else other
        return value

    def both(self) -> Value:
        value = self.same()
        while self._take("&&"):
            other = self.same()
            value = other if truthy(value) else value
        return value

    def same(self) -> Value:
        value = self.inverse()
        while self.rest and self.rest[0] in ("==", "!="):
            wanted = self.rest.pop(0) == "=="
            value = equal(value, self.inverse()) is wanted
        return value

    def inverse(self) -> Value:
        return not truthy(self.inverse()) if self._take("!") else self._reached(self._one())

    def _one(self) -> Value:
        token = self._next()
        if token == "(":
            value = self.either()
            self._must(")")
            return value
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token[0].isdigit() or token[0] == "-":
            return float(token)
        if self._take("("):
            return self._call(token)
        name = token.lower()
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name not in self.context:
            raise BadExpression(f"there is no context {token!r} here")
        return self.context[name]

    def _call(self, name: str) -> Value:
        if name not in self.functions:
            raise BadExpression(f"there is no function {name!r} here")
        arguments: list[Value] = []
        while not self._take(")"):
            if arguments:
                self._must(",")
            arguments.append(self.either())
        return self.functions[name](*arguments)

    def _reached(self, value: Value) -> Value:
        """Into it by `.name`, `.*` and `[…]`; what is not there is null."""
        while self.rest and self.rest[0] in (".", "["):
            if self.rest.pop(0) == "[":
                key = self.either()
                self._must("]")
            elif (key := self._next()) == "*":
                value = Splat(value.values() if isinstance(value, dict) else value if isinstance(value, list) else [])
                continue
            value = Splat(one for item in value if (one := _get(item, key)) is not None) if isinstance(value, Splat) else _get(value, key)
        return value

    def _take(self, token: str) -> bool:
        if self.rest and self.rest[0] == token:
            self.rest.pop(0)
            return True
        return False

    def _must(self, token: str) -> None:
        if not self._take(token):
            raise BadExpression(f"{token!r} is missing before {self.rest[:1]}")

    def _next(self) -> str:
        if not self.rest:
            raise BadExpression("it ends too early")
        return self.rest.pop(0)


def _get(value: Value, key: Value) -> Value:
    if isinstance(value, dict):
        return next((found for name, found in value.items() if equal(name, key)), None)
    if isinstance(value, list) and isinstance(key, int | float) and 0 <= key < len(value):
        return value[int(key)]
    return None


def _format(template: str, *values: Value) -> str:
    return re.sub(r"\{(\d+)\}|(\{\{)|(\}\})", lambda found: text(values[int(found[1])]) if found[1] else found[0][0], template)


def _join(values: Sequence[Value], between: str = ",") -> str:
    return between.join(map(text, values)) if isinstance(values, list) else text(values)


_FUNCTIONS: Functions = {
    "format": _format,
    "join": _join,
    "contains": lambda whole, part: (
        any(equal(one, part) for one in whole) if isinstance(whole, list) else text(part).lower() in text(whole).lower()
    ),
    "startsWith": lambda whole, part: text(whole).lower().startswith(text(part).lower()),
    "endsWith": lambda whole, part: text(whole).lower().endswith(text(part).lower()),
    "fromJSON": json.loads,
}
