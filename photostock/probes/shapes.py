"""The shapes of requests with their defaults and limits, and of answers."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from photostock.contract import Feedback, NewPhotos, SearchAnswer, SearchFields


def api() -> dict[str, Any]:
    """The shapes of requests with their defaults and limits, and of answers."""
    shapes = (SearchFields, SearchAnswer, NewPhotos, Feedback)
    return {shape.__name__: TypeAdapter(shape).json_schema() for shape in shapes}
