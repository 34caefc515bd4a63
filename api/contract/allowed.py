"""Breaking changes that someone stands up for: allowed.yaml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

REASON_MIN = 20
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Allowed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    change: Text
    reason: Annotated[Text, Field(min_length=REASON_MIN)]
    ticket: Text | None = None
    expires: date | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.ticket is None and self.expires is None:
            raise ValueError("needs a `ticket`, or a date at which it `expires`")
        return self


class NotUnderstood(Exception):
    """The file, in lines that say what is wrong where."""


def parse(text: str) -> list[Allowed]:
    """Raises NotUnderstood."""
    try:
        return TypeAdapter(list[Allowed]).validate_python(yaml.safe_load(text) or [])
    except yaml.YAMLError as error:
        raise NotUnderstood(f"it is not YAML: {error}") from error
    except ValidationError as error:
        raise NotUnderstood("\n".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors())) from error


def complaints(breaking: Sequence[str], allowed: Sequence[Allowed], today: date) -> Iterator[str]:
    """None where each breaking change is allowed by one entry that still holds, and each entry allows one."""
    entries = {entry.change: entry for entry in allowed}
    for change in breaking:
        if change not in entries:
            yield f"breaks clients of the last release: {change}"
    for entry in entries.values():
        if entry.change not in breaking:
            yield f"allowed, but no such change (any more): {entry.change}"
        elif entry.expires is not None and entry.expires < today:
            yield f"was allowed until {entry.expires}: {entry.change}"
    yield from (f"allowed twice: {change}" for change, times in Counter(entry.change for entry in allowed).items() if times > 1)


def _place(loc: tuple[int | str, ...]) -> str:
    number, *rest = loc or ("the file",)
    return ".".join([f"entry {number + 1}" if isinstance(number, int) else number, *map(str, rest)])
