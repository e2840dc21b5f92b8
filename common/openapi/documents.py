"""Compares two whole OpenAPI documents: their operations, parameters, bodies, statuses and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from common.openapi.changes import Change, Changes, Json, Side
from common.openapi.schemas import Schemas

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
PLACEHOLDER = re.compile(r"\{([^}]*)\}")
BARE = {"servers", "tags", "externalDocs"}  # of a document: nothing that a caller can stumble over


def compare(old: Json, new: Json) -> list[Change]:
    """All differences that a caller can meet, in the order of the paths; texts are none."""
    return list(_documents(old, new))


def published(document: Json, version: str = "") -> Json:
    """The document without what differs between two machines or two releases that promise the same."""
    kept = {name: part for name, part in document.items() if name not in BARE}
    return {**kept, "info": {"title": document.get("info", {}).get("title", ""), "version": version}}


def _documents(old: Json, new: Json) -> Changes:
    before, after = _operations(old), _operations(new)
    for key in sorted({**before, **after}):
        place = f"{key[1].upper()} {key[0]}"
        if key not in after:
            # The end of an operation that was announced is the one removal that no caller can be surprised by.
            announced = bool(before[key][1].get("deprecated")) and not key[0].startswith("/v1/")
            what = "the operation is gone, as its deprecation announced" if announced else "the operation is gone"
            yield Change(place, what, breaking=not announced)
        elif key not in before:
            yield Change(place, "the operation is new", breaking=False)
        else:
            yield from _operation(old, new, before[key], after[key], place)


def _operations(document: Json) -> dict[tuple[str, str], tuple[list[str], Json]]:
    """By path and method, with the names of the path's parameters, which no caller ever sees."""
    return {
        (PLACEHOLDER.sub("{}", path), method): (PLACEHOLDER.findall(path), {**_shared(item), **item[method]})
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    }


def _shared(item: Json) -> Json:
    return {"parameters": item["parameters"]} if "parameters" in item else {}


def _operation(
    old: Json, new: Json, before: tuple[list[str], Json], after: tuple[list[str], Json], place: str
) -> Changes:
    asked, told = Schemas(old, new, Side.REQUEST), Schemas(old, new, Side.ANSWER)
    if not before[1].get("deprecated") and after[1].get("deprecated"):
        yield Change(place, "it is deprecated now", breaking=False)
    elif before[1].get("deprecated") and not after[1].get("deprecated"):
        yield Change(place, "it is not deprecated any more", breaking=False)
    yield from _parameters(asked, _by_place(*before), _by_place(*after), place)
    yield from _body(asked, before[1].get("requestBody"), after[1].get("requestBody"), place)
    yield from _answers(told, before[1].get("responses", {}), after[1].get("responses", {}), place)


def _by_place(names: list[str], operation: Json) -> dict[str, Json]:
    """Parameters by what a caller writes: `query limit`, or which part of the path."""
    found = {}
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        where = f"part {names.index(name) + 1}" if parameter["in"] == "path" and name in names else name
        found[f"{parameter['in']} {where}"] = parameter
    return found


def _parameters(schemas: Schemas, old: Mapping[str, Json], new: Mapping[str, Json], place: str) -> Changes:
    for name in sorted({**old, **new}):
        where = f"{place}, {name}"
        if name not in new:
            yield Change(where, "the parameter is gone", breaking=True)
        elif name not in old:
            must = bool(new[name].get("required"))
            yield Change(where, "the parameter is new" + (" and required" if must else ""), breaking=must)
        else:
            was, now = bool(old[name].get("required")), bool(new[name].get("required"))
            if was != now:
                yield Change(where, "it is required now" if now else "it is optional now", breaking=now)
            yield from schemas.compare(old[name].get("schema", {}), new[name].get("schema", {}), where)


def _body(schemas: Schemas, old: Json | None, new: Json | None, place: str) -> Changes:
    where = f"{place}, body"
    if old is None or new is None:
        if new is not None:
            must = bool(new.get("required"))
            yield Change(where, "a body is read now" + (" and required" if must else ""), breaking=must)
        elif old is not None:
            yield Change(where, "no body is read any more", breaking=True)
        return
    if bool(old.get("required")) != bool(new.get("required")):
        must = bool(new.get("required"))
        yield Change(where, "it is required now" if must else "it is optional now", breaking=must)
    yield from _content(schemas, old.get("content", {}), new.get("content", {}), where)


def _answers(schemas: Schemas, old: Json, new: Json, place: str) -> Changes:
    for status in sorted({**old, **new}):
        where = f"{place}, {status}"
        if status not in new:
            yield Change(where, "the status is gone", breaking=True)
        elif status not in old:
            yield Change(where, "the status is new", breaking=False)
        else:
            yield from _content(schemas, old[status].get("content", {}), new[status].get("content", {}), where)


def _content(schemas: Schemas, old: Json, new: Json, place: str) -> Changes:
    for media_type in sorted({**old, **new}):
        if media_type not in new:
            yield Change(place, f"{media_type} is gone", breaking=True)
        elif media_type not in old:
            yield Change(place, f"{media_type} is new", breaking=False)
        else:
            yield from schemas.compare(old[media_type].get("schema", {}), new[media_type].get("schema", {}), place)
