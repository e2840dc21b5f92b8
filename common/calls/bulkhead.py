"""A bulkhead: so many calls at a time, so many waiting for their turn, and no more.

What an upstream can't take in time must not pile up in our memory, nor in the pool of connections.
"""

from __future__ import annotations

import asyncio
from collections import deque

from common.deadline import Deadline
from common.errors import CallFailed
from common.outcome import Reason


class Bulkhead:
    """Slots that are handed out in the order of arrival, on one event loop."""

    def __init__(self, *, max_in_flight: int, max_waiting: int) -> None:
        self._free = max_in_flight
        self._max_waiting = max_waiting
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether a call would be refused at once."""
        return self._free == 0 and len(self._queue) >= self._max_waiting

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def enter(self, deadline: Deadline) -> None:
        """Takes a slot, which must be given back by `leave`.

        Raises `CallFailed` when the queue is full, at once, or when no slot came free in time.
        """
        if self._free:
            self._free -= 1
            return
        if self.is_full:
            raise CallFailed(Reason.BULKHEAD_FULL, our_fault=True)
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

    def leave(self) -> None:
        """Hands the slot to who has waited longest, if anybody still waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if not turn.cancelled():  # its turn came in the very moment
            self.leave()
        elif turn in self._queue:
            self._queue.remove(turn)
