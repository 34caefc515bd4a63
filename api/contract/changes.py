"""What breaks clients of an older document: one line per change, the same line for the same change.

Requests: all that was accepted still is. Answers: all that may come may have come before. Clients know a status by its class (RFC 9110 15)
and a problem they have not heard of by its status (RFC 9457), so further errors break nobody; further kinds of success do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract.schemas import Document, Fit, alternatives, resolved

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM = "application/problem+json"
OLDEST_LEVEL = "x-oldest-client-level"

Node = Mapping[str, Any]


def breaking(old: Document, new: Document) -> list[str]:
    return sorted({*_levels(old["info"], new["info"]), *Comparison(old, new).operations()})


def _levels(old: Node, new: Node) -> Iterator[str]:
    was, now = old.get(OLDEST_LEVEL, 1), new.get(OLDEST_LEVEL, 1)
    if now > was:
        yield f"clients: the oldest level served {was} → {now}"


class Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self.old, self.new = old, new
        self.requests = Fit(old, new, inner_is_old=True)
        self.answers = Fit(new, old, inner_is_old=False)

    def operations(self) -> Iterator[str]:
        new = dict(_operations(self.new))
        for name, was in _operations(self.old):
            if name in new:
                yield from self._operation(name, was, new[name])
            else:
                yield f"{name}: removed"

    def _operation(self, name: str, was: Node, now: Node) -> Iterator[str]:
        if was.get("security", self.old.get("security")) != now.get("security", self.new.get("security")):
            yield f"{name}: security changed"
        yield from self._parameters(name, _parameters(self.old, was), _parameters(self.new, now))
        yield from self._body(name, was.get("requestBody"), now.get("requestBody"))
        yield from self._answers(name, was["responses"], now["responses"])

    def _parameters(self, name: str, was: Mapping[str, Node], now: Mapping[str, Node]) -> Iterator[str]:
        for parameter in sorted(was.keys() - now.keys()):
            yield f"{name}, {parameter}: removed"
        for parameter, asked in now.items():
            before = was.get(parameter, {})
            if asked.get("required") and not before.get("required"):
                yield f"{name}, {parameter}: required false → true"
            if parameter in was:
                yield from self.requests.changes(f"{name}, {parameter}", before.get("schema", True), asked.get("schema", True))

    def _body(self, name: str, was: Node | None, now: Node | None) -> Iterator[str]:
        before = resolved(self.old, was or {})
        asked = resolved(self.new, now or {})
        if was and not now:
            yield f"{name}, request: removed"
            return
        if asked.get("required") and not before.get("required"):
            yield f"{name}, request: required false → true"
        yield from self._contents(f"{name}, request", before.get("content", {}), asked.get("content", {}), self.requests)

    def _answers(self, name: str, was: Mapping[str, Node], now: Mapping[str, Node]) -> Iterator[str]:
        for status in sorted(was.keys() - now.keys()):
            yield f"{name}, {status}: removed"
        for status in sorted(now.keys() - was.keys()):
            if status[0] not in "45":
                yield f"{name}, {status}: added"
        for status in sorted(was.keys() & now.keys()):
            before, given = resolved(self.old, was[status]), resolved(self.new, now[status])
            yield from self._contents(f"{name}, {status}", before.get("content", {}), given.get("content", {}), self.answers)
            yield from self._headers(f"{name}, {status}", before.get("headers", {}), given.get("headers", {}))

    def _headers(self, name: str, was: Mapping[str, Node], now: Mapping[str, Node]) -> Iterator[str]:
        given = {header.lower(): resolved(self.new, node) for header, node in now.items()}
        for header, node in sorted(was.items()):
            before, after = resolved(self.old, node), given.get(header.lower())
            if after is None:
                yield f"{name} header {header}: removed"
                continue
            if before.get("required") and not after.get("required"):
                yield f"{name} header {header}: required true → false"
            yield from self.answers.changes(f"{name} header {header}", before.get("schema", True), after.get("schema", True))

    def _contents(self, name: str, was: Mapping[str, Node], now: Mapping[str, Node], fit: Fit) -> Iterator[str]:
        for media_type in sorted(was.keys() - now.keys()):
            yield f"{name}, {media_type}: removed"
        for media_type in sorted(was.keys() & now.keys()):
            before, after = was[media_type].get("schema", True), now[media_type].get("schema", True)
            if media_type == PROBLEM:
                yield from self._problems(name, before, after)
            else:
                yield from fit.changes(name, before, after)

    def _problems(self, name: str, was: Any, now: Any) -> Iterator[str]:
        """By their `type`: none goes, and those that stay look as before."""
        before, after = _by_type(self.old, was), _by_type(self.new, now)
        for kind in sorted(before.keys() - after.keys()):
            yield f"{name}, {kind}: removed"
        for kind in sorted(before.keys() & after.keys()):
            yield from self.answers.changes(f"{name}, {kind}", before[kind], after[kind])


def _operations(document: Document) -> Iterator[tuple[str, Node]]:
    for path, item in sorted(document["paths"].items()):
        for method in METHODS:
            if method in item:
                common = item.get("parameters", [])
                yield f"{method.upper()} {path}", {**item[method], "parameters": [*common, *item[method].get("parameters", [])]}


def _parameters(document: Document, operation: Node) -> dict[str, Node]:
    """By place and name; names of headers are the same in any case."""
    found = (resolved(document, node) for node in operation["parameters"])
    return {f"{node['in']} {node['name'].lower() if node['in'] == 'header' else node['name']}": node for node in found}


def _by_type(document: Document, schema: Any) -> dict[str, Node]:
    kinds = {}
    for one in alternatives(document, schema):
        named = one.get("properties", {}).get("type", {})
        kinds[str(named.get("const", "any problem"))] = one
    return kinds
