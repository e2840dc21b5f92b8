"""The clients that are tortured: ours, and bare httpx beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from common.calls.client import high_timeout
from common.calls.upstream import Upstream
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline

MAX_IN_FLIGHT = 10
PATH = "/echo"
RIGHT = "right"
WRONG = "wrong value"  # worse than any failure: somebody else's answer


class Number(RequestModel):
    number: int


class Echoed(AnswerModel):
    number: int


NOTHING = Echoed(number=-1)


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a call: `RIGHT`, `WRONG`, or why there is no answer."""

    what: str


class Client(Protocol):
    """One connection pool, shared by all callers."""

    name: str

    async def ask(self, number: int, deadline_ms: float) -> Told: ...

    def state(self) -> str: ...

    async def aclose(self) -> None: ...


class Ours:
    """The safe client; `hold_breaker` keeps its breaker closed, to see what the rest of it does."""

    name = "common"

    def __init__(self, url: str, *, hold_breaker: bool = False) -> None:
        self._upstream = Upstream("tortured", url, max_in_flight=MAX_IN_FLIGHT)
        if hold_breaker:
            in_a_day = datetime.now(UTC) + timedelta(days=1)
            self._upstream.breaker.force("closed", owner="experiment", reason="only the pool", ends_at=in_a_day)
        self._ask = high_timeout(self._upstream).endpoint(PATH, answer=Echoed, default=NOTHING)
        self._states: Counter[str] = Counter()
        self._last_state = "closed"

    async def ask(self, number: int, deadline_ms: float) -> Told:
        outcome = await self._ask(Number(number=number), deadline=Deadline.after_ms(deadline_ms))
        if (state := self._upstream.breaker.state) != self._last_state:
            self._last_state = state
            self._states[state] += 1
        if outcome.reason is not None:
            return Told(outcome.reason.value)
        return Told(RIGHT if outcome.value.number == number else WRONG)

    def state(self) -> str:
        return f"breaker {self._upstream.breaker.state}, it opened {self._states['open']} times"

    async def aclose(self) -> None:
        await self._upstream.aclose()


class BareHttpx:
    """What one writes without thinking further."""

    name = "httpx + asyncio.timeout"

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=MAX_IN_FLIGHT))

    async def ask(self, number: int, deadline_ms: float) -> Told:
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                response = await self._client.post(PATH, json={"number": number})
        except (httpx.HTTPError, TimeoutError) as error:
            return Told(type(error).__name__)
        return Told(RIGHT if response.json() == {"number": number} else WRONG)

    def state(self) -> str:
        return "no breaker"

    async def aclose(self) -> None:
        await self._client.aclose()
