"""Base models of everything that crosses a process boundary as JSON.

pydantic's defaults take "1" for a number, `false` for 0.0, and NaN for a float. None of that is let in here.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

# A name or a short remark: no control characters, no white space around it (" A " and "A" would be two things).
Text = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\s]([^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$"
    ),
]


CONTAINERS = ("list", "dict", "set", "frozenset", "tuple")


def _failing_fast(schema: Any) -> Any:
    if isinstance(schema, dict):
        parts = {name: _failing_fast(part) for name, part in schema.items()}
        return parts | {"fail_fast": True} if schema.get("type") in CONTAINERS else parts
    return [_failing_fast(part) for part in schema] if isinstance(schema, list) else schema


class RequestModel(BaseModel):
    """What a caller sends. A field that we do not know is refused: a misspelt option must not pass silently."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class AnswerModel(BaseModel):
    """What a service answers. Fields may be added later, so a reader ignores those that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Stops at the first bad element of a list or dict: to collect 5,000 complaints would hold up the loop."""
        return cast(CoreSchema, _failing_fast(handler(source)))
