"""Base models of everything that crosses a process boundary as JSON.

pydantic's defaults take "1" for a number, `false` for 0.0, and NaN for a float. None of that is let in here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

# A name or a short remark: no control characters, no white space around it (" A " and "A" would be two things).
Text = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\s]([^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$"
    ),
]


class RequestModel(BaseModel):
    """What a caller sends. A field that we do not know is refused: a misspelt option must not pass silently."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class AnswerModel(BaseModel):
    """What a service answers. Fields may be added later, so a reader ignores those that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)
