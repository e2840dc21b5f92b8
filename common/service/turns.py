"""Requests begin one by one, each in a turn of the event loop of its own.

Of forty that are let in at once, all would begin in the same turn, and for as long as that takes nothing is read, no
refusal is sent and no deadline is noticed. Under a flood a turn is long from reading and refusing alone; then more
begin in it, so that those who were let in are not starved by those who were not.
"""

from __future__ import annotations

import asyncio
from collections import deque

ONE_MORE_EVERY_S = 0.005  # of the turn before; to begin takes a request about a third of that


class Turns:
    """First come, first served; not for threads. Whoever is let in may wait here, so admission bounds the queue."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False  # in this turn of the loop
        self._began_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def take(self) -> None:
        """Returns in a turn in which no other request begins; at once if this is one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # those who waited on one that has ended are gone with it
            self._loop, self._taken = loop, False
            self._waiting.clear()
        if not self._taken:
            self._taken, self._began_s = True, loop.time()
            loop.call_soon(self._next)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        """Called in the next turn of the loop: it has looked what there is to read since."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        most = 1 + int((now_s - self._began_s) / ONE_MORE_EVERY_S)
        self._began_s, begun = now_s, 0
        while self._waiting and begun < most:
            turn = self._waiting.popleft()
            if not turn.done():  # its caller has not left
                turn.set_result(None)
                begun += 1
        if begun:
            loop.call_soon(self._next)
        else:
            self._taken = False
