"""Steady open-loop load: requests leave on schedule, whether or not the earlier ones were answered."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from loadtests.checks import Answer, Reading
from loadtests.figures import SILENCE, Sample
from loadtests.stalls import StallWatch
from loadtests.traffic import Ask

PATIENCE_SECONDS = 2.0  # an answer that takes longer counts as missing


@dataclass(frozen=True, slots=True)
class Lane:
    """The traffic to one service."""

    service: str
    url: str
    per_second: float
    asks: Iterator[Ask]
    seed: int = 0


class Load:
    """Sends the requests of all lanes, and keeps a sample of each under the phase in which it was sent."""

    def __init__(self, lanes: Sequence[Lane], *, times: Callable[[], float] = lambda: 1.0) -> None:
        self.phase = ""
        self._times = times  # the steady rates
        self.samples: list[Sample] = []
        self._lanes = lanes
        self._stalls = StallWatch()
        self._over = False
        self._under_way: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)  # by phase

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load for the length of a block; at its end every request under way is still awaited."""
        work = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._over = True
            await work

    def stalled_s(self, start: float, end: float) -> float:
        """Seconds of this stretch in which the machine stood still."""
        return self._stalls.seconds_between(start, end)

    async def settled(self, phase: str) -> None:
        """Wait until every request of a phase that is over was answered or given up."""
        await asyncio.gather(*self._under_way[phase])

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        watch = asyncio.create_task(self._stalls.run())
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
                await asyncio.gather(*(self._drive(lane, session) for lane in self._lanes))
                await asyncio.gather(*(self.settled(phase) for phase in self._under_way))
        finally:
            watch.cancel()

    async def _drive(self, lane: Lane, session: aiohttp.ClientSession) -> None:
        loop, dice = asyncio.get_running_loop(), random.Random(lane.seed)  # noqa: S311 - jitter, not cryptography
        due = loop.time()
        for ask in lane.asks:
            due += dice.uniform(0.5, 1.5) / (lane.per_second * self._times())
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self._over:
                break
            under_way = self._under_way[self.phase]
            task = asyncio.create_task(self._sample(lane, ask, session, self.phase))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def _sample(self, lane: Lane, ask: Ask, session: aiohttp.ClientSession, phase: str) -> None:
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        answer = await answer_to(lane.url + ask.path, ask, session)
        arrived_at = clock()
        reading = ask.check(answer) if isinstance(answer, Answer) else Reading(problem=answer)
        await self._stalls.booked()
        stalled_ms = 1e3 * self._stalls.seconds_between(sent_at, arrived_at)
        took_ms = 1e3 * (arrived_at - sent_at)
        self.samples.append(Sample(lane.service, phase, sent_at, took_ms, stalled_ms, reading, ask.kind))


async def answer_to(url: str, ask: Ask, session: aiohttp.ClientSession) -> Answer | str:
    """The answer, or in words why there is none."""
    try:
        async with session.request(
            ask.method, URL(url, encoded=True), data=ask.body, headers=ask.headers, allow_redirects=False
        ) as response:
            body = await response.read()
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, body)
    except TimeoutError:
        return f"{SILENCE} within {session.timeout.total or 0:.0f} s"
    except (aiohttp.ClientError, OSError) as error:
        return f"{SILENCE}: {type(error).__name__}"
