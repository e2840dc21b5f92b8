"""Photos that come in at the same time are stored together: one transaction for all who wait, each told after it.

A transaction costs about as much for one photo as for fifty, so whoever waits behind one shares the next. Nobody waits
who would wait in vain: a request that is too large for the time that its caller has is refused before any work.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from common.deadline import Deadline
from common.service.problems import Problem
from common.state.writes import Writes
from photostock.contract import MAX_PHOTOS
from photostock.photo import Photo

MOST_WAITING = 4 * MAX_PHOTOS  # photos
MOST_TOGETHER = MAX_PHOTOS  # photos of a transaction
ALWAYS_TRIED = 10  # photos that are taken whenever nobody waits, so that a wrong belief about their time mends itself
SLOWER, FASTER = 0.1, 0.5  # weights of a new duration: we are slow to believe that work has become slow


@dataclass(frozen=True, slots=True)
class _Waiting:
    photos: Sequence[Photo]
    deadline: Deadline
    stored: asyncio.Future[None]


class Adding:
    """Used by the event loop alone.

    Args:
        store: makes photos durable and found by the next search; runs in the thread of `writes`.
    """

    def __init__(self, store: Callable[[Sequence[Photo]], None], writes: Writes) -> None:
        self._store, self._writes = store, writes
        self._waiting: deque[_Waiting] = deque()
        self._inside = 0  # photos that wait or are being stored
        self._photo_ms = 0.0  # what a photo usually takes
        self._work: asyncio.Task[None] | None = None

    async def add(self, photos: Sequence[Photo], *, deadline: Deadline) -> None:
        """Returns once they are durable and found by the next search.

        `Problem` 503: nothing is promised, and it may be sent again.
        """
        self._refuse_in_vain(len(photos), deadline)
        one = _Waiting(photos, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._inside += len(photos)
        if self._work is None:  # with a context of its own: it works for others than the caller who began it, too
            self._work = asyncio.create_task(self._store_all(), context=contextvars.Context())
        try:
            async with asyncio.timeout(deadline.remaining_ms / 1000):
                await one.stored
        except TimeoutError as error:
            detail = "it could not be stored in time; sending it again is safe"
            raise Problem(503, detail, headers={"Retry-After": "1"}) from error

    def _refuse_in_vain(self, count: int, deadline: Deadline) -> None:
        if self._inside + count > MOST_WAITING:
            raise Problem(503, "too many photos are being stored", headers={"Retry-After": "1"})
        if self._inside == 0 and count <= ALWAYS_TRIED:
            return
        needed_ms = (self._inside + count) * self._photo_ms
        if needed_ms > deadline.remaining_ms:
            fitting = max(1, int(deadline.remaining_ms / self._photo_ms) - self._inside)
            raise Problem(
                503,
                f"to store {count} photos now takes about {needed_ms / 1000:.1f} s, and there are "
                f"{deadline.remaining_ms / 1000:.1f} s: send {min(fitting, count)} at a time, or allow more time",
                headers={"Retry-After": "1"},
            )

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                await self._store_together(self._next())
        finally:
            self._work = None

    def _next(self) -> list[_Waiting]:
        """Those who came first, as many as go into a transaction; at least one."""
        together = [self._waiting.popleft()]
        count = len(together[0].photos)
        while self._waiting and count + len(self._waiting[0].photos) <= MOST_TOGETHER:
            together.append(self._waiting.popleft())
            count += len(together[-1].photos)
        return together

    async def _store_together(self, together: Sequence[_Waiting]) -> None:
        wanted = [one for one in together if not one.stored.done()]  # else its caller has left
        photos = [photo for one in wanted for photo in one.photos]
        started_s = time.monotonic()
        try:
            if wanted:
                last = max((one.deadline for one in wanted), key=lambda deadline: deadline.remaining_ms)
                await self._writes.run(partial(self._store, photos), deadline=last)
                self._learn((time.monotonic() - started_s) * 1000 / len(photos), len(photos))
        except BaseException as error:
            _tell(wanted, error)  # it is that of all of them, and raised where each of them waits
            if not isinstance(error, Exception):  # the process ends
                raise
        else:
            _tell(wanted, None)
        finally:
            self._inside -= sum(len(one.photos) for one in together)

    def _learn(self, photo_ms: float, count: int) -> None:
        """Of few photos only if they were quick: they bear the price of a transaction alone."""
        if count > ALWAYS_TRIED or photo_ms < self._photo_ms:
            self._photo_ms += (SLOWER if photo_ms > self._photo_ms else FASTER) * (photo_ms - self._photo_ms)


def _tell(waiting: Sequence[_Waiting], error: BaseException | None) -> None:
    for one in waiting:
        if one.stored.done():
            continue
        if error is None:
            one.stored.set_result(None)
        elif isinstance(error, Exception):
            one.stored.set_exception(error)
        else:
            one.stored.cancel()
