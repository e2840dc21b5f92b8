"""One service that we call: its connections, breaker, bulkhead and budget, shared by all who call it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from common.calls.answers import AnswerReader, Check
from common.calls.breaker import Breaker, BreakerPolicy
from common.calls.budget import ExtraBudget
from common.calls.bulkhead import Bulkhead
from common.context import ON_BEHALF_HEADER, REQUEST_ID_HEADER
from common.deadline import HEADER as TIMEOUT_HEADER
from common.deadline import Deadline
from common.errors import BreakerOpen, CallFailed
from common.outcome import Reason
from common.tracing import travelling

if TYPE_CHECKING:
    import httpx

    from common.calls.transport import HttpTransport
    from common.metrics import ClientMetrics

Answer = TypeVar("Answer", bound=BaseModel)
FULL_SHARE = 0.8  # with so much of its usual time, a caller is in no hurry
MIN_BUDGET_MS = 5  # with less than this left, sending would only make work that nobody waits for


@dataclass(slots=True)
class Call(Generic[Answer]):
    """One call under way; the policies hold settings, this holds its state."""

    path: str
    request_id: str
    caller: str
    deadline: Deadline
    reader: AnswerReader[Answer]
    check: Check[Answer] | None = None
    timeout_ms: float = 0  # how long its client would usually wait
    content: bytes = b""
    attempts: int = 0  # requests that were sent

    def headers(self) -> dict[str, str]:
        """What travels on: whose request it is, and how much time is left for it."""
        headers = {
            REQUEST_ID_HEADER: self.request_id,
            TIMEOUT_HEADER: str(max(1, int(self.deadline.remaining_ms))),
            **travelling(),
        }
        return headers | {ON_BEHALF_HEADER: self.caller} if self.caller else headers


class Upstream:
    """Made once per process, used on one event loop at a time; nothing is opened before the first call.

    Args:
        name: for logs and metrics.
        base_url: such as "http://127.0.0.1:8002".
        api_key: sent as a bearer token.
        max_in_flight: requests at a time.
        max_waiting: calls that may wait for their turn; more are refused at once.
        breaker: when to leave it alone.
        extra_share: how many retries, hedges and shadow calls it may cause per real call.
        carrier: what carries requests: a factory of `httpx.AsyncBaseTransport`, for tests or another HTTP library.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        api_key: str | None = None,
        max_in_flight: int = 16,
        max_waiting: int = 64,
        breaker: BreakerPolicy | None = None,
        extra_share: float = 0.2,
        metrics: ClientMetrics | None = None,
        carrier: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        if not _is_address(base_url):
            raise ValueError(f"{name}: {base_url!r} is not the address of a service, such as http://127.0.0.1:8002")
        # httpx and aiohttp: only a process that makes calls loads them.
        from common.calls.carrier import AiohttpCarrier
        from common.calls.resolver import OwnThreadResolver
        from common.calls.transport import HttpTransport

        self.name = name
        self.breaker = Breaker(breaker)
        self.extra = ExtraBudget(share=extra_share)
        self.metrics = metrics
        carrier = carrier or partial(AiohttpCarrier, OwnThreadResolver())
        self._new_transport = partial(HttpTransport, base_url, api_key=api_key, carrier=carrier)
        self._new_bulkhead = partial(Bulkhead, max_in_flight=max_in_flight, max_waiting=max_waiting)
        self._bulkhead = self._new_bulkhead()
        self._transport: HttpTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._discarding: set[asyncio.Task[None]] = set()
        if metrics is not None:
            metrics.watch(name, self.breaker, waiting=lambda: self._bulkhead.waiting)

    def refusal(self, budget_ms: float) -> Reason | None:
        """Why a call that has so much time would be refused at once."""
        if self._bulkhead.refuses(budget_ms):
            return Reason.BULKHEAD_FULL
        return None if self.breaker.admits(budget_ms) else Reason.BREAKER_OPEN

    async def ask(self, call: Call[Answer]) -> Answer:
        """One attempt: a checked answer, within the deadline; raises `CallFailed`."""
        if not self.breaker.admits(call.deadline.remaining_ms):
            raise CallFailed(Reason.BREAKER_OPEN, our_fault=True)
        self._settle_on_this_loop()
        bulkhead = self._bulkhead
        await bulkhead.enter(call.deadline)
        entered_s, took_ms = time.monotonic(), None
        try:
            if (left_ms := call.deadline.remaining_ms) < MIN_BUDGET_MS:
                raise CallFailed(Reason.NO_TIME, our_fault=True)
            with self.breaker.watch(left_ms, hurried=left_ms < FULL_SHARE * call.timeout_ms) as admission:
                # Behind an open breaker may be an upstream that has moved, or connections of ours that are no good.
                transport = self._renewed() if admission.probe else self._connected()
                try:
                    return call.reader.read(await self._send(transport, call), call.check)
                finally:
                    took_ms = (time.monotonic() - entered_s) * 1000
        except BreakerOpen:  # while it waited for its slot
            raise CallFailed(Reason.BREAKER_OPEN, our_fault=True) from None
        finally:
            bulkhead.leave(took_ms)

    def spend_extra(self, kind: str) -> bool:
        """Whether a retry, a hedge or a shadow call may be sent; it is paid for, and counted either way."""
        granted = self.extra.spend()
        if self.metrics is not None:
            self.metrics.extra_request(self.name, kind, granted=granted)
        return granted

    async def warm_up(self) -> None:
        """Loads and builds what the first call needs, so that it is as quick as the second; asks nobody anything."""
        self._settle_on_this_loop()
        self._connected()

    async def aclose(self) -> None:
        """Closes the connections; a later call opens new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()
        for retiring in (tasks := tuple(self._discarding)):
            retiring.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _send(self, transport: HttpTransport, call: Call[Answer]) -> bytes:
        if not call.attempts:
            self.extra.earn()
        call.attempts += 1
        try:
            async with asyncio.timeout(call.deadline.remaining_ms / 1000):
                return await transport.post(
                    call.path, call.content, call.headers(), max_bytes=call.reader.limits.max_bytes
                )
        except TimeoutError:
            raise CallFailed(Reason.TIMEOUT) from None

    def _settle_on_this_loop(self) -> None:
        """Connections and queues belong to one event loop; those of a loop that has ended are of no use to the next."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._transport, self._bulkhead = loop, None, self._new_bulkhead()
            self.breaker.forget_probe()

    def _connected(self) -> HttpTransport:
        if self._transport is None:
            self._transport = self._new_transport()
        return self._transport

    def _renewed(self) -> HttpTransport:
        if self._transport is not None:
            task = asyncio.create_task(self._transport.retire())
            self._discarding.add(task)
            task.add_done_callback(self._discarding.discard)
        self._transport = self._new_transport()
        if self.metrics is not None:
            self.metrics.reconnected(self.name)
        return self._transport


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        sound = parts.scheme in ("http", "https") and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # a port that is none, a name that can't be one (UnicodeError)
        return False
    return sound and bool(host)
