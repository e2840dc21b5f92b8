"""What a call came to: always a value, and the truth about where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Value = TypeVar("Value")
Part = TypeVar("Part")


class Reason(StrEnum):
    """Why something better did not answer: a closed set, so that it can be counted and alerted on.

    A service adds codes of its own domain beside these ("unknown_item"), never free text.
    """

    # the call to the upstream
    PAYLOAD = "payload"  # what was to be sent can't be written as JSON
    TIMEOUT = "timeout"  # no whole answer within the budget
    NO_TIME = "no_time"  # too little of the budget was left to begin
    UNREACHABLE = "unreachable"  # no connection: refused, no route, unknown name
    DISCONNECTED = "disconnected"  # the connection broke before the answer was whole
    BREAKER_OPEN = "breaker_open"  # it failed so often lately that it was not asked
    BULKHEAD_FULL = "bulkhead_full"  # too many calls are under way already
    HTTP_STATUS = "http_status"  # any status but 200
    # the answer of the upstream
    ENCODING = "encoding"  # a content encoding that was not asked for
    TOO_LARGE = "too_large"
    SCHEMA = "schema"  # not JSON, another shape, another type, NaN or infinity
    MEANING = "meaning"  # right shape, but not an answer to this question: ids, count, range
    VERSION = "version"  # another version than the one that was asked for
    UNTESTED_VERSION = "untested_version"  # a version that this caller was never tested with
    # a tier of a fallback chain
    BUG = "bug"  # our own mistake; logged with its traceback and counted apart
    OVERLOADED = "overloaded"  # our own workers are busy
    NOT_LOADED = "not_loaded"  # its artifact is missing, damaged or incompatible
    OUT_OF_RANGE = "out_of_range"  # finite, but not plausible
    UNCERTAIN = "uncertain"  # the tier itself is not sure enough
    DRIFT = "drift"  # asked about what it has not learnt from
    SWITCHED_OFF = "switched_off"  # an operator's decision; see `common.chain.switches`
    DEMOTED = "demoted"  # refused so often lately that it was not asked; see `common.chain.standing`


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Value]):
    """The result of a safe call: the answer, or the default and the reason why."""

    value: Value
    reason: Reason | None
    version: str | None = None  # of the model that answered, where it says so
    attempts: int = 0  # requests that were sent
    elapsed_ms: float = 0.0
    request_id: str = ""
    untested_version: bool = False  # it answered well, as a version that this caller was never tested with

    @property
    def is_default(self) -> bool:
        return self.reason is not None

    def about(self, value: Part, reason: Reason | None) -> Outcome[Part]:
        """The outcome for a part of what this call was about: the same story, another value."""
        return Outcome(
            value=value,
            reason=reason,
            version=self.version,
            attempts=self.attempts,
            elapsed_ms=self.elapsed_ms,
            request_id=self.request_id,
            untested_version=self.untested_version,
        )
