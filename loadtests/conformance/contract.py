"""What a client under test is asked, and how a right answer is told from a wrong one."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from loadtests.mutations import Json

PATH = "/predict"
MAX_VALUE = 1_000_000  # finite is not enough: nobody sells 1e308 pieces
QUESTION: Json = {"items": [{"id": "a", "value": 1.5}, {"id": "b", "value": 2.5}], "version": "1.0.0"}
DEFAULT: Json = {"items": [], "version": "default"}  # what a client answers by itself, where it has such a thing


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gave its caller without raising.

    `document` is plain JSON or a pydantic model; `failure` is for clients that tell of a failure without raising, as by
    a status.
    """

    document: Json | BaseModel
    is_default: bool = False
    failure: str = ""


Predict = Callable[[Json], Awaitable[Answer]]
Connect = Callable[[str, int], Awaitable[Predict]]  # from a base URL and a timeout in milliseconds


def fault_in(document: Json | BaseModel, question: Json) -> str:
    """What is wrong with this answer to this question; empty if it is right.

    Right is: the items that were asked about, in that order, each with a plausible number, from the version asked for.
    """
    if isinstance(document, BaseModel):
        document = document.model_dump()
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        return "another shape"
    items, asked = document["items"], question["items"]
    if not all(isinstance(item, dict) for item in items):
        return "another shape"
    if [item.get("id") for item in items] != [item["id"] for item in asked]:
        return "other ids than asked for"
    for item in items:
        value = item.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"not a number: {value!r}"
        if not math.isfinite(value) or not 0 <= value <= MAX_VALUE:
            return f"not a plausible number: {value!r}"
    return "" if document.get("version") == question["version"] else f"version {document.get('version')!r}"
