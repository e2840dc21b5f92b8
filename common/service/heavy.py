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
IN_LINE = 8  # behind them: who waits holds one of the places that all requests share
SHARE = 0.5  # of the time that is left: the rest is for models in other processes, and for whoever asks for little
BUSY, NOTICED_S = 0.5, 0.02  # of a core, while somebody stood in line for so long
KEEPS = 0.7  # of what was learned, with each request that ends
BOUNDS = 0.2, 5.0  # times the guess, for whatever else a process does is learned, too
GRAIN_S = 0.01  # with which it is known when a request arrived


class HeavyWork:
    """The line of one kind of request; not for threads.

    Who comes while none is at work is let in, whatever was learned. A line is for the processor: who stood in it while
    that was idle, for those ahead wait for a model that hangs, need not wait for them.

    Args:
        light: requests of no more weight than this stand in no line.
        guess_ms: of this process's time for one unit of weight, until it is known.
        cpu_s: the processor time of this process so far.
    """

    def __init__(self, *, light: float, guess_ms: float, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._light, self._guess_ms = light, guess_ms
        self._cpu_s = cpu_s
        self._free = asyncio.Semaphore(AT_A_TIME)
        self._at_work = self._in_line = 0
        self._ended_s = -math.inf  # when the last one did
        self._since_s = 0.0  # the processor time then, or when the first one began
        self._used_ms, self._weight = guess_ms * light, light  # of those that ended; earlier ones count less and less

    @property
    def unit_ms(self) -> float:
        """Of this process's time, for one unit of weight."""
        least, most = (self._guess_ms * bound for bound in BOUNDS)
        return min(max(self._used_ms / self._weight, least), most)

    @asynccontextmanager
    async def place(self, weight: float, call: Call) -> AsyncIterator[None]:
        """For as long as a request of this weight is at work; `PoolFull` if it would be late."""
        if weight <= self._light:
            yield
            return
        others = self._at_work or self._in_line or self._ended_s > call.arrived_s + GRAIN_S  # it waited for those
        placed = await self._turn(weight, call.deadline)
        try:
            if placed and others and self._late(weight, call.deadline):
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
            if placed:
                self._free.release()

    async def _turn(self, weight: float, deadline: Deadline) -> bool:
        """True with a place, False where it needs none; `PoolFull` if there is none in time."""
        if self._free.locked() and self._in_line >= IN_LINE:
            raise PoolFull
        began_s, used_s = time.monotonic(), self._cpu_s()
        self._in_line += 1
        try:
            async with asyncio.timeout((deadline.remaining_ms - weight * self.unit_ms / SHARE) / 1000):
                return await self._free.acquire()
        except TimeoutError:
            waited_s = time.monotonic() - began_s
            if waited_s < NOTICED_S or self._cpu_s() - used_s > BUSY * waited_s:
                raise PoolFull from None
            return False
        finally:
            self._in_line -= 1

    def _late(self, weight: float, deadline: Deadline) -> bool:
        return weight * self.unit_ms > SHARE * deadline.remaining_ms

    def _learn(self, weight: float) -> None:
        """Whatever this process did since another one ended counts: a busy process has less time for each."""
        now_s = self._cpu_s()
        self._used_ms = KEEPS * self._used_ms + (now_s - self._since_s) * 1000
        self._weight = KEEPS * self._weight + weight
        self._since_s = now_s
