"""Reads an answer strictly: bounded before it is parsed, parsed into the model that was agreed on, then checked.

Parsing can't be interrupted and a thread would not help, because the parser holds the interpreter's lock. So what is
parsed at once is bounded, in bytes and in values, to what takes a few milliseconds. More is asked for in pieces:
`common.calls.bulk`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from common.contract import AnswerModel
from common.errors import CallFailed
from common.json_limits import holds_more_values
from common.outcome import Reason

Answer = TypeVar("Answer", bound=BaseModel)
Check = Callable[[Answer], Reason | None]


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What an answer may cost at most; lists and objects are values, too."""

    max_bytes: int = 512 * 1024
    max_values: int = 4_000


class AnswerReader(Generic[Answer]):
    """What is known of the answers of one endpoint.

    Args:
        tested_with: versions of the upstream that this caller was tested with; None if any will do.
        refuse_untested: whether the answer of another version counts as none, or is used and told.
    """

    def __init__(
        self,
        model: type[Answer],
        limits: AnswerLimits,
        *,
        tested_with: frozenset[str] | None = None,
        refuse_untested: bool = False,
    ) -> None:
        self.limits = limits
        self._model = model
        self._tested_with = tested_with
        self._refuse_untested = refuse_untested

    def read(self, body: bytes, check: Check[Answer] | None) -> Answer:
        """The answer in `body`; raises `CallFailed` if it is not one."""
        if holds_more_values(body, self.limits.max_values):
            raise CallFailed(Reason.TOO_LARGE, f"over {self.limits.max_values} values")
        try:
            if not issubclass(self._model, AnswerModel):  # which refuses them itself
                from_json(body, allow_inf_nan=False)
            answer = self._model.model_validate_json(body)
        except ValidationError as error:
            raise CallFailed(Reason.SCHEMA, _first_error(error)) from None
        except ValueError as error:
            raise CallFailed(Reason.SCHEMA, str(error)) from None
        if self._refuse_untested and self.is_untested(answer):
            raise CallFailed(Reason.UNTESTED_VERSION, our_fault=True)
        if check is not None and (problem := _judged(check, answer)) is not None:
            raise CallFailed(problem)
        return answer

    def is_untested(self, answer: Answer) -> bool:
        """Whether it comes from a version that this caller was never tested with."""
        return self._tested_with is not None and getattr(answer, "version", None) not in self._tested_with


def _judged(check: Check[Answer], answer: Answer) -> Reason | None:
    """What `check` finds. A bug in it is ours: it says nothing about the upstream, and must not close it to others."""
    try:
        problem = check(answer)
        if problem is not None and not isinstance(problem, Reason):
            raise TypeError(f"check must return a Reason or None, not {type(problem).__name__}")
    except Exception as error:
        raise CallFailed(Reason.BUG, f"check: {type(error).__name__}", our_fault=True) from error
    else:
        return problem


def _first_error(error: ValidationError) -> str:
    """Where and what, but never the value: an answer may carry something personal."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
