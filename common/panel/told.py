"""What of a request is kept in the audit log: bounded, without secrets, and without the people it was about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request

from common.logs.redaction import MASK, is_sensitive, masked
from common.service.forms import fields_of
from common.service.problems import Problem

MOST_ENTRIES, MOST_DEPTH, MOST_BYTES = 30, 4, 8_192
SIZES = ((500, 4), (100, 4), (100, 1), (20, 1))  # characters of a text, and depth: the first that fits is kept
PERSONAL = frozenset({"person", "person_id"})  # beside those that no log line shows
WHY = ("reason", "why", "insist")


async def sent_with(request: Request) -> dict[str, Any]:
    """The fields of the query, the body or the form; empty for what can't be read.

    What a header says about the body does not count: whatever a route could read of it is told.
    """
    body = await request.body()
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        found = await _form(request)
    return {**request.query_params, **(found if isinstance(found, dict) else {"body": found})}


async def _form(request: Request) -> dict[str, str]:
    try:
        return await fields_of(request)
    except Problem:
        return {}


def reason_in(fields: Mapping[str, Any]) -> str:
    """Why, as the request tells it."""
    return "; ".join(str(fields[name]) for name in WHY if isinstance(fields.get(name), str) and fields[name])


class Discretion:
    """Leaves out of everything that is kept about one request what its sensitive fields hold.

    Nobody hides by that what they did: a request with a field that its route does not know is refused.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        held = sorted(set(_sensitive_values(fields, MOST_DEPTH)), key=len, reverse=True)[:MOST_ENTRIES]
        self._held = re.compile("|".join(map(re.escape, held)), re.IGNORECASE) if held else None

    def text(self, text: str) -> str:
        return masked(text if self._held is None else self._held.sub(MASK, text))

    def value(self, value: Any) -> Any:
        """A JSON value of bounded size; what is large is kept with shorter texts, then without what lies deeper."""
        for most, depth in SIZES:
            kept = self._kept(value, depth, most)
            if len(json.dumps(kept, default=str)) <= MOST_BYTES:
                return kept
        return "too large to be kept"

    def _kept(self, value: Any, depth: int, most: int) -> Any:
        if isinstance(value, str):
            return self.text(value)[:most]
        if isinstance(value, Mapping):
            if depth == 0:
                return "…"
            return {
                self.text(str(name))[:100]: MASK if _private(str(name)) else self._kept(held, depth - 1, most)
                for name, held in list(value.items())[:MOST_ENTRIES]
            }
        if isinstance(value, list):
            return [self._kept(one, depth - 1, most) for one in value[:MOST_ENTRIES]] if depth else "…"
        return value


def _private(name: str) -> bool:
    return name in PERSONAL or is_sensitive(name)


def _sensitive_values(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for name, held in value.items():
            if not _private(str(name)):
                yield from _sensitive_values(held, depth - 1)
            elif isinstance(held, str | int) and len(str(held).strip()) > 1:
                yield str(held).strip()
    elif isinstance(value, list):
        for one in value[:MOST_ENTRIES]:
            yield from _sensitive_values(one, depth - 1)
