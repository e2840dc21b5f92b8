"""Base models of everything that crosses a process boundary as JSON.

pydantic's defaults take "1" for a number, `false` for 0.0, and NaN for a float. None of that is let in here.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

# A name or a short remark: no control characters, no white space around it (" A " and "A" would be two things).
Text = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\s]([^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$"
    ),
]
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # but tab and line ends, which a form's text areas send
FIRST_YEAR, LAST_YEAR = 1970, 9998
AnyDay = TypeVar("AnyDay", date, datetime)


def _readable(text: str) -> str:
    """For what operators say: it is told on terminals, which obey control characters."""
    if CONTROL.search(text):
        raise ValueError("there is a control character in it")
    return text


def _without_nul(text: str) -> str:
    """For texts from elsewhere, with whatever is in them; PostgreSQL stores all but this."""
    if "\0" in text:
        raise ValueError("there is a NUL character in it")
    return text


def _storable(day: AnyDay) -> AnyDay:
    """The days around it, and its UTC, are to lie within what a date can be."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"expected a time between {FIRST_YEAR} and {LAST_YEAR}")
    return day


# Validators and no patterns: published schemas stay as they are. A length that is given beside them comes first.
READABLE, WITHOUT_NUL = AfterValidator(_readable), AfterValidator(_without_nul)
Reason = Annotated[str, StringConstraints(min_length=3, max_length=2_000), READABLE]
Remark = Annotated[str, StringConstraints(max_length=2_000), READABLE]
Day = Annotated[date, AfterValidator(_storable)]
Moment = Annotated[datetime, AfterValidator(_storable)]

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
