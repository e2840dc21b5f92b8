"""What may be handed to a safe call. Mistakes of the programmer are told to the programmer, at once and by name."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TypeVar

from pydantic import BaseModel

from common.deadline import Deadline
from common.errors import CallFailed
from common.outcome import Reason

Answer = TypeVar("Answer", bound=BaseModel)


def require(payload: object, deadline: object, check: object = None) -> None:
    """Raises `TypeError` for an argument of a call that is not what it must be."""
    if not isinstance(payload, BaseModel):
        raise TypeError(f"payload: a pydantic model is wanted, not {type(payload).__name__}")
    require_deadline(deadline)
    if check is not None and (not callable(check) or iscoroutinefunction(check)):
        raise TypeError("check: a plain function of the answer is wanted, which returns a Reason or None")


def require_deadline(deadline: object) -> None:
    """Raises `TypeError` for anything but a `Deadline` or None."""
    if not isinstance(deadline, Deadline | None):
        raise TypeError(f"deadline: a common.Deadline is wanted, not {type(deadline).__name__}")


def written(payload: BaseModel) -> bytes:
    """The payload as JSON; `CallFailed` for data that JSON has no words for."""
    try:
        return payload.model_dump_json().encode()
    except ValueError as error:  # half a surrogate pair in a text, for one
        raise CallFailed(Reason.PAYLOAD, type(error).__name__, our_fault=True) from None


def checked_default(answer: type[Answer], default: Answer, tested_with: frozenset[str] | None) -> Answer:
    """The default, if it keeps the contract that it stands in for."""
    if not isinstance(default, answer):
        raise TypeError(f"default: a {answer.__name__} is wanted, not {type(default).__name__}")
    if tested_with is not None and "version" not in answer.model_fields:
        raise ValueError(f"tested_with: {answer.__name__} has no field `version` to compare")
    answer.model_validate_json(default.model_dump_json(by_alias=True))
    return default
