"""Compares two JSON schemas, each with the document that its references point into.

A schema is read as alternatives: one per `anyOf`, `oneOf` and type, so that nullability, unions and lists of types are
one thing. Alternatives of the same type are compared with each other; one that came widens, one that went narrows.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from common.openapi.changes import Change, Changes, Json, Side, narrowed, widened

# By keyword: whether a greater number allows more.
BOUNDS = {
    "maximum": True,
    "exclusiveMaximum": True,
    "maxLength": True,
    "maxItems": True,
    "maxProperties": True,
    "minimum": False,
    "exclusiveMinimum": False,
    "minLength": False,
    "minItems": False,
    "minProperties": False,
}
EXACT = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding", "contentMediaType")
MOST_DEPTH = 40  # of schemas within schemas


@dataclass(frozen=True, slots=True)
class Schemas:
    """The pair of documents that references are looked up in, and the side that the schemas are on."""

    old: Json
    new: Json
    side: Side

    def compare(self, old: Json, new: Json, place: str, trail: tuple[tuple[str, str], ...] = ()) -> Changes:
        """Every difference beneath `place`; a schema that holds itself is looked at once."""
        pair = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True))
        if pair in trail or len(trail) > MOST_DEPTH:
            return
        trail = (*trail, pair)
        if "default" in old and old["default"] != new.get("default", ...):
            what = f"the default changed from {_shown(old['default'])} to {_shown(new.get('default'))}"
            yield Change(place, what, breaking=self.side is Side.REQUEST)
        ours, theirs = alternatives(old, self.old), alternatives(new, self.new)
        if not ours or not theirs:  # one of them allows everything
            if ours:
                yield widened(self.side, place, "any value is possible now")
            if theirs:
                yield narrowed(self.side, place, f"only {_named(theirs)} is possible now")
            return
        kinds, kinds_now = {_kind(one) for one in ours}, {_kind(one) for one in theirs}
        if "integer" in kinds - kinds_now and "number" in kinds_now - kinds:
            yield widened(self.side, place, "it need not be an integer any more")
            ours = [one | {"type": "number"} if _kind(one) == "integer" else one for one in ours]
        elif "number" in kinds - kinds_now and "integer" in kinds_now - kinds:
            yield narrowed(self.side, place, "only an integer is possible now")
            theirs = [one | {"type": "number"} if _kind(one) == "integer" else one for one in theirs]
        for kind in sorted({_kind(one) for one in (*ours, *theirs)}):
            yield from self._kind(
                [one for one in ours if _kind(one) == kind],
                [one for one in theirs if _kind(one) == kind],
                place,
                trail,
            )

    def _kind(
        self, old: Sequence[Json], new: Sequence[Json], place: str, trail: tuple[tuple[str, str], ...]
    ) -> Changes:
        """Alternatives of one type, paired by their text, else by their titles, then by their order.

        Those with the same text are compared as well: a reference in it may point to something else in each document.
        """
        for left, right in _pairs(list(old), list(new)):
            if right is None:
                assert left is not None
                yield narrowed(self.side, place, f"{_named([left])} is not possible any more")
            elif left is None:
                yield widened(self.side, place, f"{_named([right])} is possible now")
            else:
                yield from self._alike(left, right, place, trail)

    def _alike(self, old: Json, new: Json, place: str, trail: tuple[tuple[str, str], ...]) -> Changes:
        yield from self._values(old, new, place)
        yield from self._bounds(old, new, place)
        if old.get("type") == "object" or "properties" in old or "properties" in new:
            yield from self._fields(old, new, place, trail)
        yield from self._parts(old, new, place, trail)

    def _values(self, old: Json, new: Json, place: str) -> Changes:
        before, after = _enumerated(old), _enumerated(new)
        if before is None and after is not None:
            yield narrowed(self.side, place, f"only {', '.join(sorted(after))} is possible now")
        elif before is not None and after is None:
            yield widened(self.side, place, "not only the listed values are possible now")
        elif before is not None and after is not None:
            for value in sorted(before - after):
                yield narrowed(self.side, place, f"the value {value} is not possible any more")
            for value in sorted(after - before):
                yield widened(self.side, place, f"the value {value} is possible now")

    def _bounds(self, old: Json, new: Json, place: str) -> Changes:
        for keyword, greater_is_more in BOUNDS.items():
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            what = f"{keyword} changed from {_shown(before)} to {_shown(after)}"
            more = after is None or (before is not None and (after > before) == greater_is_more)
            yield (widened if more else narrowed)(self.side, place, what)
        for keyword in EXACT:
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            what = f"{keyword} changed from {_shown(before)} to {_shown(after)}"
            if before is None:
                yield narrowed(self.side, place, what)
            elif after is None:
                yield widened(self.side, place, what)
            else:
                yield Change(place, what, breaking=True)

    def _fields(self, old: Json, new: Json, place: str, trail: tuple[tuple[str, str], ...]) -> Changes:
        before, after = old.get("properties", {}), new.get("properties", {})
        must_before, must_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted({**before, **after}):
            where = f"{place}.{name}"
            if name not in after:
                yield Change(where, "the field is gone", breaking=self._closed(new) or self.side is Side.ANSWER)
            elif name not in before:
                must = self.side is Side.REQUEST and name in must_after
                yield Change(where, "the field is new" + (" and required" if must else ""), breaking=must)
            else:
                if name in must_after - must_before:
                    yield narrowed(self.side, where, "the field is required now")
                elif name in must_before - must_after:
                    yield widened(self.side, where, "the field may be missing now")
                yield from self.compare(before[name], after[name], where, trail)

    def _parts(self, old: Json, new: Json, place: str, trail: tuple[tuple[str, str], ...]) -> Changes:
        """Elements of a list, values of a map, names of a map."""
        for keyword, suffix in (("items", "[]"), ("additionalProperties", ".*"), ("propertyNames", ".(name)")):
            before, after = old.get(keyword, True), new.get(keyword, True)
            if keyword == "additionalProperties" and False in (before, after):
                if before is not False:
                    yield narrowed(self.side, place, "unknown fields are refused now")
                elif after is not False:
                    yield widened(self.side, place, "unknown fields are possible now")
            elif before != after or isinstance(before, dict):
                yield from self.compare(_schema(before), _schema(after), place + suffix, trail)
        before_items, after_items = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before_items) != len(after_items):
            yield Change(place, f"it has {len(after_items)} places, not {len(before_items)}", breaking=True)
        for number, (left, right) in enumerate(zip(before_items, after_items, strict=False)):
            yield from self.compare(left, right, f"{place}[{number}]", trail)

    def _closed(self, schema: Json) -> bool:
        return schema.get("additionalProperties") is False


def alternatives(schema: Json, document: Json, depth: int = 0) -> list[Json]:
    """What the schema allows, one entry per type, references followed; empty if it allows everything."""
    if depth > MOST_DEPTH:
        return []
    if (reference := schema.get("$ref")) is not None:
        return alternatives(_looked_up(reference, document) | _without(schema, "$ref"), document, depth + 1)
    if len(whole := schema.get("allOf", ())) == 1:
        return alternatives(whole[0] | _without(schema, "allOf"), document, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            found: list[Json] = []
            for one in schema[keyword]:
                more = alternatives(one, document, depth + 1)
                if not more:
                    return []
                found += more
            return found
    kinds = schema.get("type")
    told = {name: value for name, value in schema.items() if name not in ("description", "default", "examples")}
    if isinstance(kinds, list):
        return [{**told, "type": kind} for kind in kinds]
    return [told] if set(told) - {"title"} else []


def _pairs(old: list[Json], new: list[Json]) -> list[tuple[Json | None, Json | None]]:
    pairs: list[tuple[Json | None, Json | None]] = []
    for fits in (operator.eq, _same_title, _anyhow):
        for left in list(old):
            match = next((right for right in new if fits(left, right)), None)
            if match is not None:
                pairs.append((left, match))
                old.remove(left)
                new.remove(match)
    return [*pairs, *((left, None) for left in old), *((None, right) for right in new)]


def _same_title(left: Json, right: Json) -> bool:
    return left.get("title") == right.get("title")


def _anyhow(_left: Json, _right: Json) -> bool:
    return True


def _looked_up(reference: str, document: Json) -> Json:
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def _without(schema: Json, keyword: str) -> Json:
    return {name: value for name, value in schema.items() if name != keyword}


def _enumerated(schema: Json) -> set[str] | None:
    if "const" in schema:
        return {_shown(schema["const"])}
    return {_shown(value) for value in schema["enum"]} if "enum" in schema else None


def _kind(schema: Json) -> str:
    return str(schema.get("type") or ("object" if "properties" in schema else "value"))


def _named(schemas: Sequence[Json]) -> str:
    kinds = sorted({_kind(schema) for schema in schemas})
    return " or ".join({"null": "null"}.get(kind, f"{_article(kind)} {kind}") for kind in kinds)


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeiou" else "a"


def _schema(part: Json | bool) -> Json:
    return part if isinstance(part, dict) else {}


def _shown(value: object) -> str:
    return "none" if value is None else json.dumps(value)
