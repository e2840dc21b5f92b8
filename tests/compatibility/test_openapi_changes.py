"""What breaks callers is told from what only adds: one change at a time to a small document."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from common.openapi.changes import Change
from common.openapi.commands import changes, recorded
from common.openapi.documents import compare, published

ROOT = Path(__file__).resolve().parents[2]
ITEM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sku"],
    "properties": {
        "sku": {"type": "string", "minLength": 1, "maxLength": 20},
        "count": {"type": "integer", "minimum": 1, "maximum": 100, "default": 7},
        "colour": {"enum": ["red", "green"], "type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "more": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
    },
}
TOLD = {
    "type": "object",
    "title": "Told",
    "required": ["demand", "served_by"],
    "properties": {
        "demand": {"type": "array", "items": {"type": "number"}},
        "served_by": {"type": "string", "enum": ["core", "constant"]},
        "reason": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "exact": {"type": "integer"},
        "by_level": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "shop", "version": "1"},
    "paths": {
        "/v1/items/{item_id}": {
            "get": {
                "parameters": [
                    {"name": "item_id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50, "default": 10}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Told"}}}},
                    "404": {},
                },
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
                },
                "responses": {"201": {}},
            },
        },
        "/old": {"get": {"deprecated": True, "responses": {"200": {}}}},
    },
    "components": {"schemas": {"Item": ITEM, "Told": TOLD}},
}
GET, POST = ("paths", "/v1/items/{item_id}", "get"), ("paths", "/v1/items/{item_id}", "post")
LIMIT = (*GET, "parameters", 1)
ASKED, ANSWERED = ("components", "schemas", "Item"), ("components", "schemas", "Told")
GONE = object()

# Where, what stands there then, whether it breaks a caller, and what the sentence says.
MUTATIONS: list[tuple[str, tuple[Any, ...], Any, bool, str]] = [
    ("a path goes", ("paths", "/v1/items/{item_id}"), GONE, True, "GET /v1/items/{}: the operation is gone"),
    ("a method goes", POST, GONE, True, "POST /v1/items/{}: the operation is gone"),
    ("a method comes", ("paths", "/old", "post"), {"responses": {}}, False, "POST /old: the operation is new"),
    ("an announced end", ("paths", "/old"), GONE, False, "as its deprecation announced"),
    ("a deprecation", (*GET, "deprecated"), True, False, "it is deprecated now"),
    ("a parameter goes", LIMIT, GONE, True, "query limit: the parameter is gone"),
    ("a parameter gets another name", (*LIMIT, "name"), "most", True, "query limit: the parameter is gone"),
    ("a parameter becomes required", (*LIMIT, "required"), True, True, "query limit: it is required now"),
    ("a parameter's limit falls", (*LIMIT, "schema", "maximum"), 20, True, "maximum changed from 50 to 20"),
    ("a parameter's limit rises", (*LIMIT, "schema", "maximum"), 90, False, "maximum changed from 50 to 90"),
    ("a parameter's limit comes", (*LIMIT, "schema", "minimum"), 1, True, "minimum changed from none to 1"),
    ("a parameter's default moves", (*LIMIT, "schema", "default"), 5, True, "the default changed from 10 to 5"),
    ("a parameter takes any number", (*LIMIT, "schema", "type"), "number", False, "need not be an integer"),
    ("a parameter is a string now", (*LIMIT, "schema", "type"), "string", True, "an integer is not possible"),
    ("an optional parameter comes", (*GET, "parameters", 2), {"name": "x", "in": "query"}, False, "query x"),
    (
        "a required parameter comes",
        (*GET, "parameters", 2),
        {"name": "x", "in": "header", "required": True},
        True,
        "header x: the parameter is new and required",
    ),
    ("a body becomes optional", (*POST, "requestBody", "required"), False, False, "body: it is optional now"),
    ("a body is not read", (*POST, "requestBody"), GONE, True, "no body is read any more"),
    ("a status goes", (*GET, "responses", "404"), GONE, True, "404: the status is gone"),
    ("a status comes", (*GET, "responses", "410"), {}, False, "410: the status is new"),
    ("another media type", (*GET, "responses", "200", "content"), {"text/csv": {}}, True, "application/json is gone"),
    ("a request field goes", (*ASKED, "properties", "note"), GONE, True, "body.note: the field is gone"),
    ("a request field comes", (*ASKED, "properties", "tag"), {"type": "string"}, False, "body.tag: the field is new"),
    ("a request field becomes required", (*ASKED, "required"), ["sku", "count"], True, "body.count: the field is req"),
    ("a request field becomes optional", (*ASKED, "required"), [], False, "body.sku: the field may be missing now"),
    ("a request string gets shorter", (*ASKED, "properties", "sku", "maxLength"), 10, True, "maxLength changed"),
    ("a request string gets longer", (*ASKED, "properties", "sku", "maxLength"), 99, False, "maxLength changed"),
    ("a request limit goes", (*ASKED, "properties", "sku", "maxLength"), GONE, False, "from 20 to none"),
    ("a request pattern comes", (*ASKED, "properties", "sku", "pattern"), "^a", True, "pattern changed from none"),
    ("a request default moves", (*ASKED, "properties", "count", "default"), 14, True, "the default changed"),
    ("a request value goes", (*ASKED, "properties", "colour", "enum"), ["red"], True, 'the value "green" is not'),
    ("a request value comes", (*ASKED, "properties", "colour", "enum"), ["red", "green", "b"], False, 'value "b" is'),
    ("a request null goes", (*ASKED, "properties", "note"), {"type": "string"}, True, "note: null is not possible"),
    ("a request null comes", (*ASKED, "properties", "sku", "type"), ["string", "null"], False, "sku: null is possible"),
    ("unknown request fields pass", (*ASKED, "additionalProperties"), True, False, "unknown fields are possible now"),
    ("a field within a list of itself", (*ASKED, "properties", "more", "maxItems"), 3, True, "body.more: maxItems"),
    ("an answer's field goes", (*ANSWERED, "properties", "reason"), GONE, True, "200.reason: the field is gone"),
    ("an answer's field comes", (*ANSWERED, "properties", "x"), {"type": "string"}, False, "200.x: the field is new"),
    ("an answer's field may be missing", (*ANSWERED, "required"), ["demand"], True, "200.served_by: the field may be"),
    ("an answer's field always comes", (*ANSWERED, "required"), ["demand", "served_by", "exact"], False, "exact"),
    ("an answer may be null", (*ANSWERED, "properties", "exact", "type"), ["integer", "null"], True, "null is poss"),
    ("an answer is never null", (*ANSWERED, "properties", "reason"), {"type": "string"}, False, "null is not poss"),
    ("an answer's value comes", (*ANSWERED, "properties", "served_by", "enum"), ["core", "x", "constant"], True, '"x"'),
    ("an answer's value goes", (*ANSWERED, "properties", "served_by", "enum"), ["core"], False, '"constant"'),
    ("an answer's values are open", (*ANSWERED, "properties", "served_by", "enum"), GONE, True, "not only the listed"),
    ("an answer's type widens", (*ANSWERED, "properties", "exact", "type"), "number", True, "need not be an integer"),
    ("an answer's elements change", (*ANSWERED, "properties", "demand", "items"), {"type": "string"}, True, "demand[]"),
    ("an answer's map changes", (*ANSWERED, "properties", "by_level", "additionalProperties"), {}, True, "by_level.*"),
    ("an answer is anything", ANSWERED, {}, True, "any value is possible now"),
]


def changed(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    part = document
    for step in place[:-1]:
        part = part[step]
    if value is GONE:
        del part[place[-1]]
    elif isinstance(part, list) and place[-1] == len(part):
        part.append(value)
    else:
        part[place[-1]] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "breaking", "sentence"), [row[1:] for row in MUTATIONS], ids=[row[0] for row in MUTATIONS]
)
def test_a_change_is_told_and_judged(place: tuple[Any, ...], value: Any, breaking: bool, sentence: str) -> None:
    found = compare(DOCUMENT, changed(place, value))
    assert any(change.breaking for change in found) == breaking, found
    assert any(sentence in str(change) for change in found), [str(change) for change in found]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("info", "version"), "2"),
        ((*GET, "summary"), "Other words"),
        ((*GET, "operationId"), "other_name"),
        ((*ANSWERED, "title"), "Renamed"),
        ((*ANSWERED, "description"), "Other words"),
    ],
)
def test_other_words_are_no_change(place: tuple[Any, ...], value: Any) -> None:
    assert compare(DOCUMENT, changed(place, value)) == []


def test_a_path_parameter_may_get_another_name() -> None:
    renamed = copy.deepcopy(DOCUMENT)
    renamed["paths"]["/v1/items/{id}"] = renamed["paths"].pop("/v1/items/{item_id}")
    renamed["paths"]["/v1/items/{id}"]["get"]["parameters"][0]["name"] = "id"
    assert compare(DOCUMENT, renamed) == []


def test_a_schema_that_moves_elsewhere_in_the_document_is_no_change() -> None:
    moved = copy.deepcopy(DOCUMENT)
    del moved["components"]["schemas"]["Told"]
    moved["paths"]["/v1/items/{item_id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = TOLD
    assert compare(DOCUMENT, moved) == []


def test_a_published_document_has_nothing_that_differs_between_machines() -> None:
    document = published({**DOCUMENT, "servers": [{"url": "http://mine"}]}, "v1")
    assert document["info"] == {"title": "shop", "version": "v1"}
    assert "servers" not in document


def test_no_service_breaks_what_was_published() -> None:
    found = changes(ROOT)
    assert set(found) == {"supermegaretail", "photostock"}
    assert [str(change) for some in found.values() for change in some if change.breaking] == []


def test_every_service_is_published() -> None:
    for service in ("supermegaretail", "photostock"):
        document = recorded(ROOT, service)
        assert document is not None
        assert "/v1/admin/switches" in document["paths"]


def test_a_change_says_where_and_what() -> None:
    assert (
        str(Change("GET /v1/items", "the operation is gone", breaking=True)) == "GET /v1/items: the operation is gone"
    )


def test_a_change_behind_a_reference_that_reads_the_same_is_found() -> None:
    told = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Told"}}},
    }
    old = copy.deepcopy(DOCUMENT)
    old["paths"]["/v1/items/{item_id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = told
    new = copy.deepcopy(old)
    del new["components"]["schemas"]["Told"]["properties"]["served_by"]

    [found] = [change for change in compare(old, new) if change.breaking]

    assert str(found) == "GET /v1/items/{}, 200.items[].served_by: the field is gone"
