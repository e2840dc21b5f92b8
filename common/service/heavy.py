"""Requests that are work for long: a few at a time, and none that would be late.

Admission counts requests, whatever they ask. Sixty who each ask about a thousand items would be let in together, share
the processor and all be late, and so would whoever asks about one item beside them.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.gateway import Call

AT_A_TIME = 2  # one works while a model is asked for the other
SHARE = 0.5  # of the time that is left: the rest is for models in other processes, and for whoever asks for little
LEARNS = 0.3  # weight of what was measured last


class HeavyWork:
    """The line of one kind of request; not for threads.

    Whoever comes while none is at work is let in, whatever was learned, so a wrong belief mends itself.

    Args:
        light: requests of no more weight than this stand in no line.
        guess_ms: of this process's time for one unit of weight, until it is known.
        cpu_s: the processor time of this process so far.
    """

    def __init__(self, *, light: float, guess_ms: float, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._light = light
        self._unit_ms = guess_ms
        self._cpu_s = cpu_s
        self._free = asyncio.Semaphore(AT_A_TIME)
        self._inside = 0.0  # weight of those at work or in line
        self._at_work = 0
        self._ended_s = -math.inf  # when the last one did
        self._since_s = 0.0  # the processor time then, or when the first one began

    @asynccontextmanager
    async def place(self, weight: float, call: Call) -> AsyncIterator[None]:
        """For as long as a request of this weight is at work; `PoolFull` if it would be late."""
        deadline = call.deadline
        if weight <= self._light:
            yield
            return
        alone = not self._inside and self._ended_s <= call.arrived_s  # else it waited for others before it came here
        if not alone and self._late(self._inside + weight, deadline):
            raise PoolFull
        self._inside += weight
        try:
            await self._turn(weight, deadline)
            try:
                if not alone and self._late(weight, deadline):
                    raise PoolFull
                self._since_s = self._since_s if self._at_work else self._cpu_s()
                self._at_work += 1
                try:
                    yield
                    self._learn(weight)
                finally:
                    self._at_work -= 1
                    self._ended_s = time.monotonic()
            finally:
                self._free.release()
        finally:
            self._inside -= weight

    async def _turn(self, weight: float, deadline: Deadline) -> None:
        try:
            async with asyncio.timeout((deadline.remaining_ms - weight * self._unit_ms) / 1000):
                await self._free.acquire()
        except TimeoutError:
            raise PoolFull from None

    def _late(self, weight: float, deadline: Deadline) -> bool:
        return weight * self._unit_ms > SHARE * deadline.remaining_ms

    def _learn(self, weight: float) -> None:
        """Whatever this process did since another one ended counts: a busy process has less time for each."""
        now_s = self._cpu_s()
        self._unit_ms += LEARNS * ((now_s - self._since_s) * 1000 / weight - self._unit_ms)
        self._since_s = now_s
