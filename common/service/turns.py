"""Requests begin one by one, each in a turn of the event loop of its own.

Of forty that are let in at once, all would begin in the same turn, and for as long as that takes nothing is read, no
refusal is sent and no deadline is noticed. Under a flood a turn is long from reading and refusing alone; then more
begin in it, so that those who were let in are not starved by those who were not.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

BEGINNING_SHARE = 0.5  # of the turn before, for more than one; at 1 a long turn would make the next one as long
LEARNS = 0.2  # weight of what was measured last
PAUSE_S = 0.05  # who takes longer than this to begin met a pause of the machine, which says nothing of the next one


class Turns:
    """First come, first served; not for threads. Whoever is let in may wait here, so admission bounds the queue."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False  # in this turn of the loop
        self._began_s = self._woke_s = 0.0  # this turn; those whose turn it is
        self._begun = 0
        self._turn_s = self._beginning_s = 0.0  # of each that begins while there is a line: between two, and by itself
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def expected_wait_ms(self) -> float:
        """How long a new one would stand in line, at the pace of late."""
        return len(self._waiting) * self._turn_s * 1000

    async def take(self) -> None:
        """Returns in a turn in which no other request begins; at once if this is one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # those who waited on one that has ended are gone with it
            self._loop, self._taken = loop, False
            self._waiting.clear()
        if not self._taken:
            self._taken, self._begun, self._began_s = True, 0, self._clock()
            loop.call_soon(self._next)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        """Called in the next turn of the loop, after those who began in it: it has looked what there is to read."""
        loop = asyncio.get_running_loop()
        now_s = self._clock()
        took_s = now_s - self._began_s
        if self._begun:
            self._turn_s = _learnt(self._turn_s, took_s / self._begun)
            self._beginning_s = _learnt(self._beginning_s, (now_s - self._woke_s) / self._begun)
        most = 1 + int(BEGINNING_SHARE * took_s / self._beginning_s) if self._beginning_s else 1
        self._began_s, self._begun = now_s, 0
        loop.call_soon(self._wake)
        while self._waiting and self._begun < most:
            turn = self._waiting.popleft()
            if not turn.done():  # its caller has not left
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            loop.call_soon(self._next)
        else:
            self._taken, self._turn_s = False, 0.0

    def _wake(self) -> None:
        """Called right before those whose turn it is."""
        self._woke_s = self._clock()


def _learnt(known_s: float, seen_s: float) -> float:
    seen_s = min(seen_s, PAUSE_S)
    return known_s + LEARNS * (seen_s - known_s) if known_s else seen_s
