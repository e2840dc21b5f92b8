"""The call that always comes back: in time, with a value, and with the truth about where the value is from.

upstream = Upstream("model", "http://127.0.0.1:8002")
predict = low_timeout(upstream).endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS)
outcome = await predict(request)     # never raises but for cancellation and for a mistake in the call itself
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel

from common.calls.answers import AnswerLimits, AnswerReader, Check
from common.calls.arguments import checked_default, require, written
from common.calls.attempts import ONE_ATTEMPT, AttemptPolicy, ask
from common.calls.loops import LoopNotice
from common.calls.mirror import Mirror, Pair
from common.calls.upstream import MIN_BUDGET_MS, Call, Upstream
from common.context import bound_caller, current_request_id
from common.deadline import Deadline
from common.errors import CallFailed
from common.outcome import Outcome, Reason
from common.tracing import Span, span, tell_span

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
            answer: the model of the answer, best an `AnswerModel`: its strictness is a part of what is promised.
            default: decided now, before any call: it is part of the contract, and checked against `answer` here.
            limits: what an answer may cost; more is asked for in pieces, see `common.calls.bulk`.
            attempts: one, unless the call changes nothing and is worth more.
            tested_with: versions of the upstream, as its answers name them, that this caller was tested with.
            refuse_untested: whether another version counts as a failure, or is used, logged and counted.
            mirror: where a copy of the calls goes, see `common.calls.shadow`.

        Raises pydantic's `ValidationError` for a default that breaks the contract, `TypeError` for one of another model
        and `ValueError` for an impossible path.
        """
        if not path.startswith("/"):
            raise ValueError(f"{path!r}: a path begins with /")
        versions = None if tested_with is None else frozenset(tested_with)
        default = checked_default(answer, default, versions)
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
        """The same for the pieces of a bulk call: many in one request are as they should be."""
        require(payload, deadline, check)
        started_s = time.monotonic()
        call: Call[Answer] = Call(
            path=self.path,
            request_id=current_request_id(),
            caller=bound_caller(),
            deadline=deadline.at_most_ms(self.timeout_ms) if deadline else Deadline.after_ms(self.timeout_ms),
            reader=self._reader,
            check=check,
            timeout_ms=self.timeout_ms,
        )
        with span("call", "client") as traced:
            value, failed = await self._asked(call, payload)
            outcome = Outcome(
                value=value,
                reason=failed.reason if failed else None,
                version=None if failed else getattr(value, "version", None),
                attempts=call.attempts,
                elapsed_ms=(time.monotonic() - started_s) * 1000,
                request_id=call.request_id,
                untested_version=failed is None and self._reader.is_untested(value),
            )
            if traced.recording:
                _trace(traced, self.upstream.name, outcome)
        if traced.recording and outcome.version is not None:
            tell_span({"upstream.version": outcome.version})  # of the tier that made the call
        self._tell(outcome, failed)
        if self._mirror is not None:
            with suppress(
                Exception
            ):  # a mirror keeps this promise itself; it is not for us to break ours if it does not
                self._mirror.offer(Pair(call.path, payload, call.content, outcome), self.upstream)
        return outcome

    async def _asked(self, call: Call[Answer], payload: BaseModel) -> tuple[Answer, CallFailed | None]:
        """The answer, or the default and what went wrong. A cancellation is no `Exception`, and passes."""
        try:
            call.content = written(payload)
            return await ask(self.upstream, call, self._attempts), None
        except CallFailed as failed:
            return self.default, failed
        except Exception as error:  # noqa: BLE001  the promise of this class
            bug = CallFailed(Reason.BUG, type(error).__name__)
            bug.__cause__ = error
            return self.default, bug

    def _tell(self, outcome: Outcome[Answer], failed: CallFailed | None) -> None:
        """Counts and logs. Should that fail, nobody is left to tell: a full disk must not cost the answer."""
        upstream = self.upstream
        with suppress(Exception):
            if upstream.metrics is not None:
                upstream.metrics.observe(upstream.name, outcome)
        with suppress(Exception):
            if failed is not None and failed.reason is Reason.BUG:
                log.error("client.bug", upstream=upstream.name, detail=failed.detail, exc_info=failed.__cause__)
            elif failed is not None:
                log.warning(
                    "client.call_failed", upstream=upstream.name, reason=str(failed.reason), detail=failed.detail
                )
            elif outcome.untested_version:
                log.warning("client.untested_version", upstream=upstream.name, version=outcome.version)


def low_timeout(upstream: Upstream, *, timeout_ms: int = LOW_TIMEOUT_MS) -> SafeClient:
    """The client to use: when in doubt, a small timeout."""
    return SafeClient(upstream, timeout_ms=timeout_ms)


def high_timeout(upstream: Upstream, *, timeout_ms: int = HIGH_TIMEOUT_MS) -> SafeClient:
    """For exceptional calls that are known to take long; asked for by name, so that it shows in review."""
    return SafeClient(upstream, timeout_ms=timeout_ms)


def _trace(traced: Span, upstream: str, outcome: Outcome[Answer]) -> None:
    traced.name(f"call {upstream}")
    traced.tell({"upstream.name": upstream, "call.attempts": outcome.attempts})
    if outcome.reason is not None:
        traced.tell({"call.reason": str(outcome.reason)})
    if outcome.version is not None:
        traced.tell({"upstream.version": outcome.version})
