"""Does one JSON Schema allow every value that another one allows?

JSON Schema 2020-12 as OpenAPI 3.1 uses it: https://json-schema.org/draft/2020-12/json-schema-validation. It errs on one side only: a
keyword that it does not know must be the same in both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
ANNOTATIONS = frozenset({"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "$comment"})
JUDGED = frozenset({"type", "enum", "const", "properties", "required", "additionalProperties", "items", *LOWEST, *HIGHEST})
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array", dict: "object"}

Schema = Mapping[str, Any]
Document = Mapping[str, Any]


class Gap(NamedTuple):
    """Where `inner` allows more than `outer`. The values are those of the keyword, None where a side has none."""

    where: str
    what: str
    inner: Any
    outer: Any


@dataclass(frozen=True)
class Fit:
    """Compares schemas of two documents. Of requests the old one is the inner, of answers the new one.

    A property that the newer one no longer has is a gap either way.
    """

    inner_document: Document
    outer_document: Document
    inner_is_old: bool
    _inside: set[tuple[str, str]] = field(default_factory=set)

    def changes(self, name: str, old: Any, new: Any) -> Iterator[str]:
        """The gaps in words, `name place: what was → what is`."""
        for gap in self.gaps(old, new) if self.inner_is_old else self.gaps(new, old):
            yield f"{name} {gap.where}".rstrip() + f": {self._words(gap)}"

    def gaps(self, inner: Any, outer: Any, where: str = "") -> list[Gap]:
        pair = repr(inner), repr(outer)
        if pair in self._inside:  # a schema that contains itself: judged where it began
            return []
        self._inside.add(pair)
        try:
            allowed = alternatives(self.outer_document, outer)
            return [gap for one in alternatives(self.inner_document, inner) for gap in self._nearest(one, allowed, where)]
        finally:
            self._inside.discard(pair)

    def _words(self, gap: Gap) -> str:
        if gap.what == "removed":
            return gap.what
        if gap.what == "enum" and gap.inner is not None:
            values = ", ".join(_said(value) for value in gap.inner if value not in gap.outer)
            return f"enum {'without' if self.inner_is_old else 'also'} {values}"
        old, new = (gap.inner, gap.outer) if self.inner_is_old else (gap.outer, gap.inner)
        return f"{gap.what} {_said(old)} → {_said(new)}"

    def _nearest(self, one: Schema, allowed: list[Schema], where: str) -> list[Gap]:
        """Against the alternative that comes closest: none is left if one of them takes all that `one` allows."""
        if not allowed:
            return [Gap(where, "forbidden", dict(one), False)]
        tries = [list(self._flat_gaps(one, other, where)) for other in allowed]
        return min(tries, key=lambda gaps: (any(gap.where == where and gap.what in ("type", "enum") for gap in gaps), len(gaps)))

    def _flat_gaps(self, inner: Schema, outer: Schema, where: str) -> Iterator[Gap]:
        for keyword, fits in (("type", _type_fits), ("enum", _enum_fits)):
            if keyword in outer and not fits(inner.get(keyword), outer[keyword]):
                yield Gap(where, keyword, inner.get(keyword), outer[keyword])
                return
        for keyword in sorted(inner.keys() | outer.keys()):
            if not _keyword_fits(keyword, inner.get(keyword), outer.get(keyword)):
                yield Gap(where, keyword, inner.get(keyword), outer.get(keyword))
        if "items" in outer:
            yield from self.gaps(inner.get("items", True), outer["items"], f"{where}[]")
        yield from self._object_gaps(inner, outer, where)

    def _object_gaps(self, inner: Schema, outer: Schema, where: str) -> Iterator[Gap]:
        mine, theirs = inner.get("properties", {}), outer.get("properties", {})
        old, new = (mine, theirs) if self.inner_is_old else (theirs, mine)
        for name in sorted(old.keys() - new.keys()):
            yield Gap(_under(where, name), "removed", None, None)
        for name in sorted(set(outer.get("required", ())) - set(inner.get("required", ()))):
            yield Gap(_under(where, name), "required", False, True)
        for name in sorted(mine.keys() & theirs.keys()):
            yield from self.gaps(mine[name], theirs[name], _under(where, name))
        extra = outer.get("additionalProperties", True)
        for name in sorted(new.keys() - old.keys()) if not self.inner_is_old else ():
            yield from self.gaps(mine[name], extra, _under(where, name))
        yield from self.gaps(inner.get("additionalProperties", True), extra, _under(where, "*"))


def alternatives(document: Document, schema: Any) -> list[Schema]:
    """The schema as a list of which a value must fit one: without references, `anyOf`, `oneOf` (taken for
    `anyOf`: they differ where alternatives overlap), `const` and lists of types."""
    if isinstance(schema, bool):
        return [{}] if schema else []
    schema = resolved(document, schema)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            rest = {name: value for name, value in schema.items() if name != keyword}
            members = [member for one in schema[keyword] for member in alternatives(document, one)]
            return [both for member in members for both in alternatives(document, _joined(rest, member))]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": one} for one in schema["type"]]
    if "const" in schema:
        schema = {**{name: value for name, value in schema.items() if name != "const"}, "enum": [schema["const"]]}
    kinds = {TYPES[type(value)] for value in schema.get("enum", ())}
    return [{"type": kinds.pop(), **schema} if len(kinds) == 1 else schema]


def resolved(document: Document, node: Any) -> dict[str, Any]:
    """Follows `$ref` within the document; what stands beside it counts, too. `allOf` becomes one schema."""
    if isinstance(node, bool):
        return {} if node else {"not": {}}
    parts = ([_at(document, node["$ref"])] if "$ref" in node else []) + list(node.get("allOf", ()))
    whole = {name: value for name, value in node.items() if name not in ("$ref", "allOf")}
    for part in parts:
        whole = _joined(whole, resolved(document, part))
    return whole


def _at(document: Document, reference: str) -> Any:
    node: Any = document
    for name in reference.removeprefix("#/").split("/"):
        node = node[name.replace("~1", "/").replace("~0", "~")]
    return node


def _joined(one: Schema, other: Schema) -> dict[str, Any]:
    """A schema that asks what both ask. Where they differ, one of the two demands becomes a keyword of its own, which none but itself fits."""
    differ = {name for name in one.keys() & other.keys() if one[name] != other[name]} - ANNOTATIONS
    return {**one, **other, **{f"{name} {one[name]!r}": True for name in differ}}


def _type_fits(inner: Any, outer: Any) -> bool:
    return bool(inner == outer or (inner == "integer" and outer == "number"))


def _enum_fits(inner: Any, outer: Any) -> bool:
    return inner is not None and all(value in outer for value in inner)


def _keyword_fits(keyword: str, inner: Any, outer: Any) -> bool:
    if outer is None or keyword in ANNOTATIONS:
        return True
    if keyword in LOWEST:
        return inner is not None and bool(inner >= outer)
    if keyword in HIGHEST:
        return inner is not None and bool(inner <= outer)
    return keyword in JUDGED or bool(inner == outer and "$ref" not in repr(outer))


def _under(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _said(value: Any) -> str:
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value, sort_keys=True)
