"""From the fields of a log event to one line of JSON: redacted, finite, at most 16 KiB, and never an exception.

A line is made in one walk over the values, because the walk costs more than what it does to each of them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from structlog.typing import EventDict, WrappedLogger

from common.logs.redaction import MASK, is_sensitive, masked

MAX_LINE_BYTES = 16 * 1024
MAX_DEPTH = 5
MAX_NAME = 100  # characters of a field's name
MAX_VALUES = 500  # of one line, nested ones counted
MAX_INTEGER = 2**63  # what readers of JSON can be expected to hold
TEXT_LIMITS = (8_000, 1_000, 100)  # characters of one text; the next smaller is tried when the line is too long
MAX_RAW_TEXT = 65_536  # characters that are searched for credentials
ESSENTIAL = ("timestamp", "level", "event", "request_id", "caller", "suppressed")  # what is left if all else fails

_encode = json.JSONEncoder(allow_nan=False, check_circular=False).encode  # ASCII only: a line break can't get through


def render_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """The processor that ends the chain: one line of JSON with its line break."""
    for limit in TEXT_LIMITS:
        line = _encode(_Walk(limit).fields(event))
        if len(line) < MAX_LINE_BYTES:
            return line + "\n"
    rest = {name: event[name] for name in ESSENTIAL if isinstance(event.get(name), str | int)}
    return _encode(_Walk(TEXT_LIMITS[-1]).fields(rest) | {"cut": True}) + "\n"


def add_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turns `exc_info` into the exception's type and its traceback as text."""
    error = error_of(event.pop("exc_info", None))
    if error is not None:
        event["exception_type"] = type(error).__name__
        event["exception"] = _traceback_of(error)
    return event


def error_of(exc_info: Any) -> BaseException | None:
    """What `exc_info` stands for, in each of the forms that logging knows."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3:
        return error_of(exc_info[1])
    return sys.exc_info()[1] if exc_info else None


def shortened(text: str, limit: int) -> str:
    """Both ends of a text that is too long, the beginning the larger one, and how much is missing between them."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail]} … {len(text) - limit} characters cut … {text[-tail:]}"


class _Walk:
    """One pass over the values of one line."""

    def __init__(self, text_limit: int) -> None:
        self._text_limit = text_limit
        self._values_left = MAX_VALUES

    def fields(self, given: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, value in given.items():
            name = key if depth == 0 and len(key) <= MAX_NAME else shortened(self._text(_described(key)), MAX_NAME)
            if self._values_left <= 0:
                plain["cut"] = True
                break
            if is_sensitive(name):
                plain[name] = MASK
            else:
                plain[name] = self._value(value, depth)
        return plain

    def _value(self, value: Any, depth: int) -> Any:
        self._values_left -= 1
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool or (kind is float and math.isfinite(value)):
            return value
        try:
            return self._unusual(value, depth + 1)
        except Exception as error:  # noqa: BLE001  a log line is no reason to fail, whatever the value does
            return f"<{kind.__name__} that can't be shown: {type(error).__name__}>"

    def _unusual(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else repr(float(value))
        if isinstance(value, int):
            return int(value) if -MAX_INTEGER <= value < MAX_INTEGER else self._text(hex(value))
        if depth > MAX_DEPTH:
            return "…"
        record = _record_of(value)
        if record is not None:
            return self.fields(record, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth)
        return self._text(_described(value))

    def _items(self, values: Iterable[Any], depth: int) -> list[Any]:
        plain: list[Any] = []
        for value in values:
            if self._values_left <= 0:
                plain.append("…")
                break
            plain.append(self._value(value, depth))
        return plain

    def _text(self, text: str) -> str:
        if len(text) <= self._text_limit:
            return masked(text)
        return shortened(masked(shortened(text, MAX_RAW_TEXT)), self._text_limit)


def _record_of(value: Any) -> dict[Any, Any] | None:
    """Values with names to them: what `repr` would show of them can't be redacted."""
    if isinstance(value, dict):
        return value
    if isinstance(value, BaseModel):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    return None


def _described(value: Any) -> str:
    try:
        if isinstance(value, bytes | bytearray):  # a shown byte may take four characters
            return repr(bytes(value[:MAX_RAW_TEXT]))
        return str.__str__(value) if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001  the same
        return f"<{type(value).__name__} that can't be shown: {type(error).__name__}>"


def _traceback_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception as trouble:  # noqa: BLE001  the same
        return f"<traceback that can't be shown: {type(trouble).__name__}>"
