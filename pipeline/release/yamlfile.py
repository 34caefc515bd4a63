"""Read a YAML file into a frozen pydantic model; an error names file, line, field and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from release.errors import SlipwayError


class Frozen(BaseModel):
    """Base of everything read from YAML: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


EXTENDS = re.compile(r"(?:#.*\n|\s*\n)*extends: *(\S+)[^\n]*\n")
Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model], error: type[SlipwayError]) -> Model:
    """Raises `error` with `FILE:LINE: field: what is wrong` for each field that is wrong.

    A file may begin with `extends: OTHER`, beside it or below: then it has that file's sections, but for those that it gives itself.
    """
    text = _text(path, error)
    named = EXTENDS.match(text)
    if named is None:
        return parse(text, str(path), model, error)
    base = path.parent / named[1]
    if EXTENDS.match(_text(base, error)):
        raise error(f"{path}: extends: {base} extends a file itself; name that one")
    load(base, model, error)  # its own faults are told as its own
    own = text.replace("extends:", "#xtends:", 1)  # the lines keep their numbers
    return parse(own, str(path), model, error, yaml.safe_load(_text(base, error)))


def _text(path: Path, error: type[SlipwayError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path}: can't be read: {problem}") from problem


def parse(text: str, name: str, model: type[Model], error: type[SlipwayError], base: Mapping[str, Any] | None = None) -> Model:
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise error(f"{name}:{line}: not YAML: {getattr(problem, 'problem', problem)}") from problem
    try:
        return model.model_validate({**base, **(value or {})} if base else value if value is not None else {})
    except ValidationError as problem:
        raise error("\n".join(_say(name, tree, item) for item in problem.errors())) from problem


def _say(name: str, tree: yaml.Node | None, item: Any) -> str:
    field = ".".join(str(part) for part in item["loc"]) or "(the whole file)"
    allowed = item["msg"]
    if item["type"] == "extra_forbidden":
        allowed = "no such field; check its spelling"
    given = "" if isinstance(item.get("input"), dict | list) or item["type"] == "missing" else f" (got {item.get('input')!r})"
    return f"{name}:{_line(tree, item['loc'])}: {field}: {allowed}{given}"


def _line(node: yaml.Node | None, loc: tuple[Any, ...]) -> int:
    """The line of the deepest part of `loc` that the file has."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
