"""The call that always comes back: in time, with a value, and with the truth about where the value is from.

upstream = Upstream("model", "http://127.0.0.1:8002")
predict = low_timeout(upstream).endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS)
outcome = await predict(request)     # never raises but for cancellation and for a mistake in the call itself
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel

from common.calls.answers import AnswerLimits, AnswerReader, Check
from common.calls.attempts import ONE_ATTEMPT, AttemptPolicy, ask
from common.calls.loops import LoopNotice
from common.calls.mirror import Mirror, Pair
from common.calls.upstream import MIN_BUDGET_MS, Call, Upstream
from common.context import acceptable_caller, bound_caller, current_request_id
from common.deadline import Deadline
from common.errors import CallFailed
from common.outcome import Outcome, Reason

Answer = TypeVar("Answer", bound=BaseModel)

LOW_TIMEOUT_MS = 250
HIGH_TIMEOUT_MS = 3_000
log = structlog.get_logger(__name__)


class SafeClient:
    """Calls one upstream with one total budget; make it with `low_timeout` or, where it must be, `high_timeout`."""

    def __init__(self, upstream: Upstream, *, timeout_ms: int) -> None:
        self.upstream = upstream
        self.timeout_ms = timeout_ms

    def endpoint(
        self,
        path: str,
        *,
        answer: type[Answer],
        default: Answer,
        limits: AnswerLimits | None = None,
        attempts: AttemptPolicy = ONE_ATTEMPT,
        tested_with: Iterable[str] | None = None,
        refuse_untested: bool = False,
        mirror: Mirror[Answer] | None = None,
    ) -> Endpoint[Answer]:
        """One operation of the upstream.

        Args:
            answer: the model of the answer, best an `AnswerModel`.
            default: decided now, before any call: it is part of the contract, and checked against `answer` here.
            limits: what an answer may cost; more is asked for in pieces, see `common.calls.bulk`.
            attempts: one, unless the call changes nothing and is worth more.
            tested_with: versions of the upstream, as its answers name them, that this caller was tested with.
            refuse_untested: whether another version counts as a failure, or is used, logged and counted.
            mirror: where a copy of the calls goes, see `common.calls.shadow`.

        Raises pydantic's `ValidationError` for a default that breaks the contract, `ValueError` for an impossible path.
        """
        if not path.startswith("/"):
            raise ValueError(f"{path!r}: a path begins with /")
        answer.model_validate(default.model_dump())
        versions = None if tested_with is None else frozenset(tested_with)
        reader = AnswerReader(answer, limits or AnswerLimits(), tested_with=versions, refuse_untested=refuse_untested)
        return Endpoint(self, path, reader, default, attempts, mirror)


class Endpoint(Generic[Answer]):
    """An operation that can be called safely; made by `SafeClient.endpoint`."""

    def __init__(
        self,
        client: SafeClient,
        path: str,
        reader: AnswerReader[Answer],
        default: Answer,
        attempts: AttemptPolicy,
        mirror: Mirror[Answer] | None,
    ) -> None:
        self.upstream = client.upstream
        self.timeout_ms = client.timeout_ms
        self.path = path
        self.default = default
        self._reader = reader
        self._attempts = attempts
        self._mirror = mirror
        self._loops = LoopNotice(client.upstream, path)

    def refusal(self, deadline: Deadline) -> Reason | None:
        """Why a call would not even be sent now; asked before an expensive payload is made."""
        budget_ms = min(deadline.remaining_ms, self.timeout_ms)
        return self.upstream.refusal(budget_ms) or (Reason.NO_TIME if budget_ms < MIN_BUDGET_MS else None)

    async def __call__(
        self, payload: BaseModel, *, deadline: Deadline | None = None, check: Check[Answer] | None = None
    ) -> Outcome[Answer]:
        """Posts `payload` and returns the checked answer, or the default with the reason why.

        Args:
            payload: becomes the JSON body.
            deadline: the caller's own, if it has one; the client's total budget applies within it.
            check: looks at the meaning of a well-formed answer and names what is wrong with it, if anything.

        Raises `TypeError` for arguments that are not what they must be, and nothing else.
        """
        self._loops.note()
        return await self.one(payload, deadline=deadline, check=check)

    async def one(
        self, payload: BaseModel, *, deadline: Deadline | None = None, check: Check[Answer] | None = None
    ) -> Outcome[Answer]:
        """The same, for callers who have good reason to call often: pieces of a bulk, shadows, sync callers' loops."""
        _require(payload, deadline, check)
        started_s, value, reason = time.monotonic(), self.default, None
        call: Call[Answer] = Call(
            path=self.path,
            content=payload.model_dump_json().encode(),
            request_id=current_request_id(),
            caller=acceptable_caller(bound_caller()),
            deadline=deadline.at_most_ms(self.timeout_ms) if deadline else Deadline.after_ms(self.timeout_ms),
            reader=self._reader,
            check=check,
        )
        try:
            value = await ask(self.upstream, call, self._attempts)
        except CallFailed as failed:
            reason = failed.reason
            log.warning("client.call_failed", upstream=self.upstream.name, reason=reason.value, detail=failed.detail)
        except Exception:  # the promise of this class; a cancellation is no Exception and passes
            reason = Reason.BUG
            log.exception("client.bug", upstream=self.upstream.name)
        return self._told(call, payload, value, reason, (time.monotonic() - started_s) * 1000)

    def _told(
        self, call: Call[Answer], payload: BaseModel, value: Answer, reason: Reason | None, elapsed_ms: float
    ) -> Outcome[Answer]:
        """The outcome, counted and mirrored."""
        upstream = self.upstream
        outcome = Outcome(
            value=value,
            is_default=reason is not None,
            reason=reason,
            version=getattr(value, "version", None),
            attempts=call.attempts,
            elapsed_ms=elapsed_ms,
            request_id=call.request_id,
            untested_version=reason is None and self._reader.is_untested(value),
        )
        if upstream.metrics is not None:
            upstream.metrics.observe(upstream.name, outcome, upstream.breaker)
        if outcome.untested_version:
            log.warning("client.untested_version", upstream=upstream.name, version=outcome.version)
        if self._mirror is not None:
            self._mirror.offer(Pair(call.path, payload, call.content, outcome), upstream.extra)
        return outcome


def low_timeout(upstream: Upstream, *, timeout_ms: int = LOW_TIMEOUT_MS) -> SafeClient:
    """The client to use: when in doubt, a small timeout."""
    return SafeClient(upstream, timeout_ms=timeout_ms)


def high_timeout(upstream: Upstream, *, timeout_ms: int = HIGH_TIMEOUT_MS) -> SafeClient:
    """For exceptional calls that are known to take long; asked for by name, so that it shows in review."""
    return SafeClient(upstream, timeout_ms=timeout_ms)


def _require(payload: object, deadline: object, check: object) -> None:
    """Mistakes of the programmer are told to the programmer, at the first call and by name."""
    if not isinstance(payload, BaseModel):
        raise TypeError(f"payload: a pydantic model is wanted, not {type(payload).__name__}")
    if not isinstance(deadline, Deadline | None):
        raise TypeError(f"deadline: a common.Deadline is wanted, not {type(deadline).__name__}")
    if check is not None and not callable(check):
        raise TypeError(f"check: a function of the answer is wanted, not {type(check).__name__}")
