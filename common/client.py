"""The call that always comes back: in time, with a value, and with the truth about where the value is from.

upstream = Upstream("model", "http://127.0.0.1:8002")
predict = low_timeout(upstream, settings).endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS)
outcome = await predict(request, deadline=deadline)     # never raises but for cancellation
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from common.breaker import Breaker, BreakerPolicy
from common.context import REQUEST_ID_HEADER, current_request_id
from common.deadline import HEADER as TIMEOUT_HEADER
from common.deadline import Deadline
from common.errors import BreakerOpen, CallFailed
from common.outcome import Outcome, Reason

if TYPE_CHECKING:
    from common.metrics import ClientMetrics
    from common.settings import ServiceSettings

Answer = TypeVar("Answer", bound=BaseModel)
Check = Callable[[Answer], Reason | None]

MIN_BUDGET_MS = 5  # with less than this left, sending would only make work that nobody waits for
log = structlog.get_logger(__name__)


class Upstream:
    """One service that we call: its connections, its breaker and its bulkhead, shared by all who call it."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        api_key: str | None = None,
        max_in_flight: int = 16,
        breaker: BreakerPolicy | None = None,
        metrics: ClientMetrics | None = None,
    ) -> None:
        self.name = name
        self.breaker = Breaker(breaker)
        self.metrics = metrics
        self.max_in_flight = max_in_flight
        self._in_flight = 0
        from common.transport import HttpTransport  # httpx and aiohttp: only a process that makes calls loads them

        self._transport = HttpTransport(base_url, max_connections=max_in_flight, api_key=api_key)

    def refusal(self) -> Reason | None:
        """Why a call would be refused at once."""
        if self._in_flight >= self.max_in_flight:
            return Reason.BULKHEAD_FULL
        return None if self.breaker.admits else Reason.BREAKER_OPEN

    async def post(self, path: str, content: bytes, *, request_id: str, deadline: Deadline, max_bytes: int) -> bytes:
        """The body of a 200 answer, whole and within `deadline`; raises `CallFailed`."""
        if self._in_flight >= self.max_in_flight:
            raise CallFailed(Reason.BULKHEAD_FULL)
        headers = {REQUEST_ID_HEADER: request_id, TIMEOUT_HEADER: str(int(deadline.remaining_ms))}
        self._in_flight += 1
        try:
            async with asyncio.timeout(deadline.remaining_ms / 1000):
                return await self._transport.post(path, content, headers, max_bytes=max_bytes)
        except TimeoutError as error:
            raise CallFailed(Reason.TIMEOUT) from error
        finally:
            self._in_flight -= 1

    async def aclose(self) -> None:
        await self._transport.aclose()


class SafeClient:
    """Calls one upstream with one total budget; make it with `low_timeout` or, where it must be, `high_timeout`."""

    def __init__(self, upstream: Upstream, *, timeout_ms: int) -> None:
        self.upstream = upstream
        self.timeout_ms = timeout_ms

    def endpoint(
        self, path: str, *, answer: type[Answer], default: Answer, max_bytes: int = 4 * 1024 * 1024
    ) -> Endpoint[Answer]:
        """One operation of the upstream. `default` is decided now, before any call: it is part of the contract."""
        answer.model_validate(default.model_dump())
        return Endpoint(self, path, answer, default, max_bytes)


class Endpoint(Generic[Answer]):
    """An operation that can be called safely."""

    def __init__(self, client: SafeClient, path: str, answer: type[Answer], default: Answer, max_bytes: int) -> None:
        self._client = client
        self._path = path
        self._answer = answer
        self._default = default
        self._max_bytes = max_bytes

    def refusal(self, deadline: Deadline) -> Reason | None:
        """Why a call would not even be sent now; asked before an expensive payload is made."""
        return self._client.upstream.refusal() or (Reason.NO_TIME if deadline.remaining_ms < MIN_BUDGET_MS else None)

    async def __call__(
        self, payload: BaseModel, *, deadline: Deadline, check: Check[Answer] | None = None
    ) -> Outcome[Answer]:
        """Posts `payload` and returns the checked answer, or the default with the reason why.

        Args:
            payload: becomes the JSON body.
            deadline: the caller's own; the client's total budget applies within it.
            check: looks at the meaning of a well-formed answer and names what is wrong with it, if anything.
        """
        upstream, started_s = self._client.upstream, time.monotonic()
        value, reason, attempts, request_id = self._default, None, 0, current_request_id()
        deadline = deadline.at_most_ms(self._client.timeout_ms)
        try:
            if deadline.remaining_ms < MIN_BUDGET_MS:
                raise CallFailed(Reason.NO_TIME)
            with upstream.breaker.watch():
                attempts = 1
                value = await self._attempt(payload, request_id, deadline, check)
        except BreakerOpen:
            reason = Reason.BREAKER_OPEN
        except CallFailed as failed:
            reason = failed.reason
            log.warning("client.call_failed", upstream=upstream.name, reason=str(reason), detail=failed.detail)
        except Exception:  # the promise of this class; a cancellation is no Exception and passes
            reason = Reason.BUG
            log.exception("client.bug", upstream=upstream.name)
        elapsed_ms = (time.monotonic() - started_s) * 1000
        if upstream.metrics is not None:
            upstream.metrics.observe(upstream.name, reason, elapsed_ms / 1000, upstream.breaker.state)
        return Outcome(
            value=value,
            is_default=reason is not None,
            reason=reason,
            version=getattr(value, "version", None),
            attempts=attempts,
            elapsed_ms=elapsed_ms,
            request_id=request_id,
        )

    async def _attempt(
        self, payload: BaseModel, request_id: str, deadline: Deadline, check: Check[Answer] | None
    ) -> Answer:
        content = payload.model_dump_json().encode()
        body = await self._client.upstream.post(
            self._path, content, request_id=request_id, deadline=deadline, max_bytes=self._max_bytes
        )
        try:
            answer = self._answer.model_validate_json(body)
        except ValidationError as error:
            raise CallFailed(Reason.SCHEMA, _first_error(error)) from error
        problem = check(answer) if check is not None else None
        if problem is not None:
            raise CallFailed(problem)
        return answer


def low_timeout(upstream: Upstream, settings: ServiceSettings) -> SafeClient:
    """The client to use: when in doubt, a small timeout."""
    return SafeClient(upstream, timeout_ms=settings.low_timeout_ms)


def high_timeout(upstream: Upstream, settings: ServiceSettings) -> SafeClient:
    """For exceptional calls that are known to take long; asked for by name, so that it shows in review."""
    return SafeClient(upstream, timeout_ms=settings.high_timeout_ms)


def _first_error(error: ValidationError) -> str:
    """Where and what, but never the value: an answer may carry something personal."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
