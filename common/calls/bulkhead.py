"""A bulkhead: so many calls at a time, so many waiting for their turn, and no more.

What an upstream can't take in time must not pile up in our memory, nor in the pool of connections. Nor does anybody
wait in vain: who would have no time left for the call itself is refused at once, while there is time for a substitute.
"""

from __future__ import annotations

import asyncio
from collections import deque

from common.deadline import Deadline
from common.errors import CallFailed
from common.outcome import Reason
from common.queueing import Queueing


class Bulkhead:
    """Slots that are handed out in the order of arrival, on one event loop."""

    def __init__(self, *, max_in_flight: int, max_waiting: int) -> None:
        self._free = max_in_flight
        self._queueing = Queueing(threads=max_in_flight, places=max_in_flight + max_waiting)
        self._queue: deque[asyncio.Future[None]] = deque()

    def refuses(self, remaining_ms: float) -> bool:
        """Whether a call that has so much time would be refused at once: no place to wait, or it would wait in vain."""
        return self._queueing.refuses(remaining_ms - self._queueing.usual_ms)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def enter(self, deadline: Deadline) -> None:
        """Takes a slot, which must be given back by `leave`.

        Raises `CallFailed` at once when the queue is full, or too long for this deadline; else when no slot came free
        in time.
        """
        if not self._queueing.admit(deadline.remaining_ms - self._queueing.usual_ms):
            raise CallFailed(Reason.BULKHEAD_FULL, our_fault=True)
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(deadline.remaining_ms / 1000):
                await turn
        except TimeoutError:
            self._give_up(turn)
            raise CallFailed(Reason.BULKHEAD_FULL, "no slot came free in time", our_fault=True) from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def leave(self, took_ms: float | None = None) -> None:
        """Hands the slot to who has waited longest, if anybody still waits; a call that was made took so long."""
        self._queueing.leave()
        if took_ms is not None:
            self._queueing.learn(took_ms)
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if not turn.cancelled():  # its turn came in the very moment
            self.leave()
        else:
            self._queueing.leave()
            if turn in self._queue:
                self._queue.remove(turn)
