"""Each kind of change to a document, and whether it breaks a client of the one before."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from contract.changes import breaking
from contract.schemas import Fit
from hypothesis import given, settings
from hypothesis import strategies as st

Edit = Callable[[dict[str, Any]], Any]


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def problem(name: str) -> dict[str, Any]:
    properties = {"type": {"const": f"/problems/{name}"}, "detail": {"type": "string"}}
    return {"type": "object", "required": ["type", "detail"], "properties": properties}


def content(schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}


BEFORE: dict[str, Any] = {
    "info": {"version": "1"},
    "paths": {
        "/version": {"get": {"responses": {"200": content(reference("Version"))}}},
        "/orders": {
            "get": {
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100.0}},
                    {"name": "cursor", "in": "query", "schema": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}]}},
                    {"name": "x-client-id", "in": "header", "required": True, "schema": {"type": "string", "pattern": "^[a-z]+$"}},
                ],
                "responses": {"200": content({"type": "array", "items": reference("Order")})},
            },
            "post": {
                "requestBody": {**content(reference("Basket")), "required": True},
                "responses": {
                    "200": {"headers": {"replayed": {"schema": {"const": "true"}}}, **content(reference("Order"))},
                    "201": content(reference("Order")),
                    "409": content(reference("Sold"), "application/problem+json"),
                    "422": content({"oneOf": [reference("Invalid"), reference("Reused")]}, "application/problem+json"),
                },
            },
        },
    },
    "components": {
        "schemas": {
            "Country": {"type": "string", "enum": ["DE", "US"]},
            "Version": {
                "type": "object",
                "required": ["digest"],
                "properties": {"digest": {"type": "string"}, "since": {"type": "string"}},
            },
            "Line": {"type": "object", "required": ["quantity"], "properties": {"quantity": {"type": "integer", "maximum": 1000}}},
            "Basket": {
                "type": "object",
                "additionalProperties": False,
                "required": ["country", "lines"],
                "properties": {
                    "country": reference("Country"),
                    "lines": {"type": "array", "items": reference("Line")},
                    "coupon": {"type": "string"},
                },
            },
            "Order": {
                "type": "object",
                "required": ["id", "country", "gross_cents", "note"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "country": reference("Country"),
                    "gross_cents": {"type": "integer", "minimum": 0},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
            },
            "Sold": problem("sold"),
            "Invalid": problem("invalid"),
            "Reused": problem("reused"),
        }
    },
}
GET, POST, VERSION = "GET /orders", "POST /orders", "GET /version"


def operation(document: dict[str, Any], name: str) -> Any:
    method, path = name.split()
    return document["paths"][path][method.lower()]


def parameters(document: dict[str, Any]) -> Any:
    return operation(document, GET)["parameters"]


def answers(document: dict[str, Any], name: str) -> Any:
    return operation(document, name)["responses"]


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


def fields(document: dict[str, Any], name: str) -> Any:
    return schema(document, name)["properties"]


def problems(document: dict[str, Any]) -> Any:
    return answers(document, POST)["422"]["content"]["application/problem+json"]["schema"]["oneOf"]


def changes(edit: Edit) -> list[str]:
    after = copy.deepcopy(BEFORE)
    edit(after)
    return breaking(BEFORE, after)


BREAKING: dict[str, tuple[Edit, list[str]]] = {
    "path removed": (lambda d: d["paths"].pop("/version"), ["GET /version: removed"]),
    "method removed": (lambda d: d["paths"]["/orders"].pop("get"), ["GET /orders: removed"]),
    "parameter removed": (lambda d: parameters(d).pop(0), ["GET /orders, query limit: removed"]),
    "parameter required": (lambda d: parameters(d)[0].update(required=True), ["GET /orders, query limit: required false → true"]),
    "new required parameter": (
        lambda d: parameters(d).append({"name": "x", "in": "query", "required": True, "schema": {}}),
        ["GET /orders, query x: required false → true"],
    ),
    "new required parameter of the path": (
        lambda d: d["paths"]["/version"].update(parameters=[{"name": "x", "in": "query", "required": True}]),
        ["GET /version, query x: required false → true"],
    ),
    "parameter narrowed": (lambda d: parameters(d)[0]["schema"].update(maximum=50), ["GET /orders, query limit: maximum 100 → 50"]),
    "parameter's pattern": (
        lambda d: parameters(d)[2]["schema"].update(pattern="^u"),
        ['GET /orders, header x-client-id: pattern "^[a-z]+$" → "^u"'],
    ),
    "parameter no longer null": (
        lambda d: parameters(d)[1].update(schema={"type": "string", "maxLength": 200}),
        ['GET /orders, query cursor: type "null" → "string"'],
    ),
    "alternative narrowed": (
        lambda d: parameters(d)[1]["schema"]["anyOf"][0].update(maxLength=20),
        ["GET /orders, query cursor: maxLength 200 → 20"],
    ),
    "request property required": (
        lambda d: schema(d, "Basket")["required"].append("coupon"),
        ["POST /orders, request coupon: required false → true"],
    ),
    "new required request property": (
        lambda d: (fields(d, "Basket").update(x={}), schema(d, "Basket")["required"].append("x")),
        ["POST /orders, request x: required false → true"],
    ),
    "request property removed": (lambda d: fields(d, "Basket").pop("coupon"), ["POST /orders, request coupon: removed"]),
    "property of an open request removed": (
        lambda d: (fields(d, "Line").pop("quantity"), schema(d, "Line").pop("required")),
        ["POST /orders, request lines[].quantity: removed"],
    ),
    "request closed": (
        lambda d: schema(d, "Line").update(additionalProperties=False),
        ["POST /orders, request lines[].*: forbidden {} → false"],
    ),
    "request bound": (
        lambda d: fields(d, "Line")["quantity"].update(maximum=10),
        ["POST /orders, request lines[].quantity: maximum 1000 → 10"],
    ),
    "new request bound": (
        lambda d: fields(d, "Line")["quantity"].update(minimum=1),
        ["POST /orders, request lines[].quantity: minimum null → 1"],
    ),
    "request type": (
        lambda d: fields(d, "Line").update(quantity={"type": "string"}),
        ['POST /orders, request lines[].quantity: type "integer" → "string"'],
    ),
    "request enum": (
        lambda d: fields(d, "Basket").update(coupon={"enum": ["A", "B"]}),
        ['POST /orders, request coupon: enum null → ["A", "B"]'],
    ),
    "an unknown keyword": (
        lambda d: fields(d, "Line")["quantity"].update(contentEncoding="base64"),
        ['POST /orders, request lines[].quantity: contentEncoding null → "base64"'],
    ),
    "request's media type": (
        lambda d: operation(d, POST)["requestBody"].update(content={"text/plain": {}}),
        ["POST /orders, request, application/json: removed"],
    ),
    "request gone": (lambda d: operation(d, POST).pop("requestBody"), ["POST /orders, request: removed"]),
    "new required request": (
        lambda d: operation(d, VERSION).update(requestBody={"required": True, "content": {}}),
        ["GET /version, request: required false → true"],
    ),
    "answer's property removed": (
        lambda d: (fields(d, "Version").pop("digest"), schema(d, "Version")["required"].remove("digest")),
        ["GET /version, 200 digest: removed", "GET /version, 200 digest: required true → false"],
    ),
    "answer's optional property removed": (lambda d: fields(d, "Version").pop("since"), ["GET /version, 200 since: removed"]),
    "answer's property not always there": (
        lambda d: schema(d, "Version")["required"].remove("digest"),
        ["GET /version, 200 digest: required true → false"],
    ),
    "answer's type": (
        lambda d: fields(d, "Version")["digest"].update(type="integer"),
        ['GET /version, 200 digest: type "string" → "integer"'],
    ),
    "answer may be null": (
        lambda d: fields(d, "Version")["digest"].update(type=["string", "null"]),
        ['GET /version, 200 digest: type "string" → "null"'],
    ),
    "answer's bound": (
        lambda d: fields(d, "Order")["gross_cents"].update(minimum=-1),
        [
            "GET /orders, 200 [].gross_cents: minimum 0 → -1",
            "POST /orders, 200 gross_cents: minimum 0 → -1",
            "POST /orders, 201 gross_cents: minimum 0 → -1",
        ],
    ),
    "answer's format": (
        lambda d: fields(d, "Order")["id"].pop("format"),
        [f'{where}id: format "uuid" → null' for where in ("GET /orders, 200 [].", "POST /orders, 200 ", "POST /orders, 201 ")],
    ),
    "a country less": (
        lambda d: schema(d, "Country")["enum"].remove("US"),
        ['POST /orders, request country: enum without "US"'],
    ),
    "a country more": (
        lambda d: schema(d, "Country")["enum"].append("SE"),
        [f'{where}country: enum also "SE"' for where in ("GET /orders, 200 [].", "POST /orders, 200 ", "POST /orders, 201 ")],
    ),
    "status removed": (lambda d: answers(d, POST).pop("200"), ["POST /orders, 200: removed"]),
    "another success": (lambda d: answers(d, VERSION).update({"202": {}}), ["GET /version, 202: added"]),
    "answer's media type": (
        lambda d: answers(d, VERSION)["200"].update(content={"text/plain": {}}),
        ["GET /version, 200, application/json: removed"],
    ),
    "header removed": (lambda d: answers(d, POST)["200"].pop("headers"), ["POST /orders, 200 header replayed: removed"]),
    "header's values": (
        lambda d: answers(d, POST)["200"]["headers"]["replayed"].update(schema={"type": "string"}),
        ['POST /orders, 200 header replayed: enum ["true"] → null'],
    ),
    "problem removed": (lambda d: problems(d).pop(), ["POST /orders, 422, /problems/reused: removed"]),
    "problem's property removed": (
        lambda d: (fields(d, "Sold").pop("detail"), schema(d, "Sold")["required"].remove("detail")),
        [
            "POST /orders, 409, /problems/sold detail: removed",
            "POST /orders, 409, /problems/sold detail: required true → false",
        ],
    ),
    "who may ask": (lambda d: operation(d, VERSION).update(security=[{"key": []}]), ["GET /version: security changed"]),
    "old clients are refused": (
        lambda d: d["info"].update({"x-oldest-client-level": 2}),
        ["clients: the oldest level served 1 → 2"],
    ),
}

HARMLESS: dict[str, Edit] = {
    "nothing": lambda d: None,
    "new path": lambda d: d["paths"].update({"/x": {"get": {"responses": {}}}}),
    "new optional parameter": lambda d: parameters(d).append({"name": "x", "in": "query", "schema": {}}),
    "parameter widened": lambda d: parameters(d)[0]["schema"].update(maximum=500),
    "parameter by reference": lambda d: (
        d["components"].update(parameters={"Limit": parameters(d)[0]}),
        parameters(d).__setitem__(0, {"$ref": "#/components/parameters/Limit"}),
    ),
    "parameter of the path": lambda d: d["paths"]["/orders"].update(parameters=[parameters(d).pop(0)]),
    "header in another case": lambda d: parameters(d)[2].update(name="X-Client-Id"),
    "new optional request property": lambda d: fields(d, "Basket").update(x={"type": "string"}),
    "request property optional": lambda d: schema(d, "Basket")["required"].remove("country"),
    "request bound wider": lambda d: fields(d, "Line")["quantity"].update(maximum=2000),
    "request bound gone": lambda d: fields(d, "Line")["quantity"].pop("maximum"),
    "request type wider": lambda d: fields(d, "Line")["quantity"].update(type="number"),
    "request open": lambda d: schema(d, "Basket").pop("additionalProperties"),
    "request null, too": lambda d: fields(d, "Line")["quantity"].update(type=["integer", "null"]),
    "answer's new property": lambda d: fields(d, "Version").update(x={"type": "string"}),
    "answer's property always there": lambda d: schema(d, "Version")["required"].append("since"),
    "answer's bound tighter": lambda d: fields(d, "Order")["gross_cents"].update(minimum=1),
    "answer never null": lambda d: fields(d, "Order").update(note={"type": "string"}),
    "another error": lambda d: answers(d, VERSION).update({"429": {}}),
    "another problem": lambda d: problems(d).append(reference("Sold")),
    "new header": lambda d: answers(d, VERSION)["200"].update(headers={"x": {"schema": {"type": "string"}}}),
    "words": lambda d: schema(d, "Order").update(title="Order", description="Another.", examples=[{}]),
    "renamed schema": lambda d: d.update(json.loads(json.dumps(d).replace("/Line", "/Row").replace('"Line":', '"Row":'))),
    "property instead of reference": lambda d: fields(d, "Basket").update(country=schema(d, "Country")),
}


@pytest.mark.parametrize("name", BREAKING)
def test_it_breaks(name: str) -> None:
    edit, expected = BREAKING[name]
    assert changes(edit) == sorted(expected)


@pytest.mark.parametrize("name", HARMLESS)
def test_it_breaks_nobody(name: str) -> None:
    assert changes(HARMLESS[name]) == []


def test_a_schema_that_contains_itself() -> None:
    def tree(of: dict[str, Any]) -> dict[str, Any]:
        return {"components": {"schemas": {"Tree": {"properties": {"of": of, "more": {"items": reference("Tree")}}}}}}

    fit = Fit(tree({"type": "string"}), tree({"type": "integer"}), inner_is_old=True)
    assert list(fit.changes("tree", reference("Tree"), reference("Tree"))) == ['tree of: type "string" → "integer"']
    assert list(Fit(tree({}), tree({}), inner_is_old=True).changes("tree", reference("Tree"), reference("Tree"))) == []


def test_parts_of_a_whole_are_read_together() -> None:
    small = {"allOf": [{"type": "integer", "maximum": 5}, {"minimum": 1}]}
    assert Fit({}, {}, inner_is_old=True).gaps(small, {"type": "integer", "maximum": 9}) == []
    assert Fit({}, {}, inner_is_old=True).gaps({"type": "integer", "maximum": 9}, small)
    clash = {"allOf": [{"maximum": 3}, {"type": "integer", "maximum": 5}]}  # what both say of one thing is never taken for less
    assert Fit({}, {}, inner_is_old=True).gaps({"type": "integer", "maximum": 5}, clash)


def test_a_reference_is_followed_or_not_trusted() -> None:
    """Under a keyword that is not known, the same words may mean something else in each document."""
    before, after = ({"components": {"schemas": {"X": {"type": kind}}}} for kind in ("string", "integer"))
    assert Fit(before, after, inner_is_old=True).gaps({"not": reference("X")}, {"not": reference("X")})


def test_a_closed_answer_gets_no_new_property() -> None:
    closed_to_b = {"properties": {"a": {}}, "additionalProperties": False}
    with_b = {"properties": {"a": {}, "b": {}}, "additionalProperties": False}
    assert [gap.where for gap in Fit({}, {}, inner_is_old=False).gaps(with_b, closed_to_b)] == ["b"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.5]) | st.sampled_from(["", "a", "ab", "abc"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inside, max_size=2),
    max_leaves=4,
)
BOUNDS = st.integers(-2, 3)
SIZES = st.integers(0, 2)


def some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def kind(name: str, keywords: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return keywords.map(lambda more: {"type": name, **more})


def closed(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What an open object takes besides its properties is left out of the comparison on purpose: a new property may be any."""
    properties = st.dictionaries(st.sampled_from(["a", "b"]), inside, max_size=2)
    required = st.lists(st.sampled_from(["a", "b"]), unique=True)
    return st.builds(lambda p, r: {"type": "object", "properties": p, "required": r, "additionalProperties": False}, properties, required)


SCHEMAS = st.recursive(
    st.booleans()
    | kind("integer", some(minimum=BOUNDS, maximum=BOUNDS, exclusiveMinimum=BOUNDS))
    | kind("number", some(minimum=BOUNDS, exclusiveMaximum=BOUNDS, multipleOf=st.sampled_from([1, 2])))
    | kind("string", some(minLength=SIZES, maxLength=SIZES, pattern=st.sampled_from(["^a", "b$"])))
    | st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": ["integer", "null"]}, {"const": "a"}, {"const": 1}, {}])
    | st.lists(st.sampled_from(["a", "ab", 1, None]), min_size=1, max_size=3, unique=True).map(lambda values: {"enum": values}),
    lambda inside: (
        kind("array", some(items=inside, minItems=SIZES, maxItems=SIZES))
        | closed(inside)
        | st.lists(inside, min_size=1, max_size=3).map(lambda several: {"anyOf": several})
        | st.lists(inside, min_size=1, max_size=2).map(lambda several: {"allOf": several if isinstance(several[0], dict) else [{}]})
    ),
    max_leaves=4,
)


@settings(deadline=None, database=None)
@given(SCHEMAS, SCHEMAS, st.lists(VALUES, max_size=20))
@pytest.mark.thorough
def test_where_there_is_no_gap_no_value_falls_into_one(inner: Any, outer: Any, values: list[Any]) -> None:
    if not Fit({}, {}, inner_is_old=False).gaps(inner, outer):
        takes, must_take = jsonschema_rs.validator_for(inner), jsonschema_rs.validator_for(outer)
        for value in values:
            assert must_take.is_valid(value) or not takes.is_valid(value)


@settings(deadline=None, database=None)
@given(SCHEMAS)
@pytest.mark.thorough
def test_a_schema_fits_itself(same: Any) -> None:
    assert Fit({}, {}, inner_is_old=True).gaps(same, copy.deepcopy(same)) == []
