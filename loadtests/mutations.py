"""Turns a good JSON answer into a bad one without knowing its contract: by its numbers, lists, ids and versions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

Json = Any  # whatever json.loads returns; the point of this file is not to know more
Mutation = Callable[[Json], Json]
OTHER_VERSION = "0.0.0-other"
LONG_CHARS = 10_000


def mutate(fault: str, document: Json) -> bytes:
    """The body that a server with this "content" fault answers in place of `document`."""
    if fault == "truncated_json":
        whole = json.dumps(document).encode()
        return whole[: len(whole) // 2]
    return json.dumps(MUTATIONS[fault](document)).encode()


def _numbers(document: Json, change: Callable[[float], Json]) -> Json:
    """Replace every number, wherever it is."""
    if isinstance(document, bool):
        return document
    if isinstance(document, int | float):
        return change(document)
    if isinstance(document, list):
        return [_numbers(value, change) for value in document]
    if isinstance(document, dict):
        return {key: _numbers(value, change) for key, value in document.items()}
    return document


def _outer_lists(document: Json, change: Callable[[list[Json]], list[Json]]) -> Json:
    """Replace the lists of items, and leave the lists inside the items alone."""
    if isinstance(document, list):
        return change(document)
    if isinstance(document, dict):
        return {key: _outer_lists(value, change) for key, value in document.items()}
    return document


def _ids(document: Json, change: Callable[[Sequence[str]], list[str]]) -> Json:
    """Replace what looks like ids: lists of strings, and the string members that all objects of a list have."""
    if isinstance(document, dict):
        return {key: value if _is_version(key) else _ids(value, change) for key, value in document.items()}
    if not isinstance(document, list) or not document:
        return document
    if all(isinstance(value, str) for value in document):
        return change(document)
    if all(isinstance(value, dict) for value in document):
        return _with_ids_changed(document, change)
    return [_ids(value, change) for value in document]  # lists of lists: an answer to several questions


def _with_ids_changed(objects: list[dict[str, Json]], change: Callable[[Sequence[str]], list[str]]) -> Json:
    changed = [dict(item) for item in objects]
    for key in objects[0]:
        values = [item.get(key) for item in objects]
        if not _is_version(key) and all(isinstance(value, str) for value in values):
            for item, value in zip(changed, change([str(value) for value in values]), strict=True):
                item[key] = value
    return changed


def _texts(document: Json, change: Callable[[str], str]) -> Json:
    """Replace every string, wherever it is, but for names of members."""
    if isinstance(document, dict):
        return {key: _texts(value, change) for key, value in document.items()}
    if isinstance(document, list):
        return [_texts(value, change) for value in document]
    return change(document) if isinstance(document, str) else document


def _versions(document: Json, change: Callable[[str], str]) -> Json:
    """Replace every string that stands under a name with "version" in it."""
    if isinstance(document, dict):
        return {
            key: _texts(value, change) if _is_version(key) else _versions(value, change)
            for key, value in document.items()
        }
    return [_versions(value, change) for value in document] if isinstance(document, list) else document


def _last_version(document: Json) -> Json:
    """Replace the last of these strings alone."""
    found: list[str] = []

    def note(version: str) -> str:
        found.append(version)
        return version

    _versions(document, note)
    places = count(1)
    return _versions(document, lambda version: OTHER_VERSION if next(places) == len(found) else version)


def _is_version(key: str) -> bool:
    return "version" in key.lower()


MUTATIONS: Mapping[str, Mutation] = {
    "other_shape": lambda document: {"data": {"rows": [document]}},
    "too_few_items": lambda document: _outer_lists(document, lambda items: items[:-1]),
    "too_many_items": lambda document: _outer_lists(document, lambda items: items + items[-1:]),
    "shuffled_ids": lambda document: _ids(document, lambda ids: [*ids[1:], ids[0]]),
    "duplicated_ids": lambda document: _ids(document, lambda ids: [ids[0]] * len(ids)),
    "foreign_ids": lambda document: _ids(document, lambda ids: [f"foreign-{name}" for name in ids]),
    "nan": lambda document: _numbers(document, lambda _: math.nan),
    "infinity": lambda document: _numbers(document, lambda _: math.inf),
    "huge_numbers": lambda document: _numbers(document, lambda _: 1e308),
    "negative": lambda document: _numbers(document, lambda number: -abs(number) - 1),
    "nulls": lambda document: _numbers(document, lambda _: None),
    "strings_for_numbers": lambda document: _numbers(document, str),
    "other_version": lambda document: _versions(document, lambda _: OTHER_VERSION),
    "other_correction": _last_version,
    "long_strings": lambda document: _texts(document, lambda _: "x" * LONG_CHARS),
}
