"""Photos that come in at the same time are stored together: one transaction for all who wait, each told after it.

A transaction costs about as much for one photo as for fifty, so whoever waits behind one shares the next. Who is known
to wait in vain is refused before any work: a request that is too large for the time that its caller has. That is learnt
from all that was worked on, in time or too late.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.deadline import Deadline
from common.service.problems import Problem, not_now, too_many
from common.state.writes import Writes, time_to_store
from photostock.contract import MAX_PHOTOS
from photostock.photo import Photo

MOST_WAITING = 4 * MAX_PHOTOS  # photos
MOST_TOGETHER = MAX_PHOTOS  # photos of a transaction
ALWAYS_TRIED = 10  # photos that are taken whenever nobody waits, so that a wrong belief about their time mends itself
SLOWER, FASTER = 0.1, 0.5  # weights of a new duration: we are slow to believe that work has become slow
Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class _Waiting:
    photos: Sequence[Photo]
    deadline: Deadline
    stored: asyncio.Future[None]  # done before its caller hears anything


class _SomeLeft(Exception):
    """Callers left while their photos were prepared; nothing of the group was stored."""


class Adding(Generic[Prepared]):
    """Used by the event loop alone.

    Args:
        prepare: the part that takes long; runs in a thread of its own, for one group at a time.
        store: makes what was prepared durable and found by the next search; runs in the thread of `writes`, which
            others use, too.
    """

    def __init__(
        self, prepare: Callable[[Sequence[Photo]], Prepared], store: Callable[[Prepared], None], writes: Writes
    ) -> None:
        self._prepare, self._store, self._writes = prepare, store, writes
        self._waiting: deque[_Waiting] = deque()
        self._inside = 0  # photos that wait or are being stored
        self._photo_ms = 0.0  # what a photo usually takes
        self._work: asyncio.Task[None] | None = None

    async def add(self, photos: Sequence[Photo], *, deadline: Deadline) -> None:
        """Returns once they are durable and found by the next search.

        `Problem` 429 or 503: nothing is promised, and it may be sent again.
        """
        self._refuse_in_vain(len(photos), deadline)
        one = _Waiting(photos, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._inside += len(photos)
        if self._work is None:  # with a context of its own: it works for others than the caller who began it, too
            self._work = asyncio.create_task(self._store_all(), context=contextvars.Context())
        try:
            async with asyncio.timeout(time_to_store(deadline).remaining_ms / 1000):
                await one.stored
        except TimeoutError as error:
            raise not_now(error, "it could not be stored in time; sending it again is safe") from error

    def _refuse_in_vain(self, count: int, deadline: Deadline) -> None:
        if self._inside + count > MOST_WAITING:
            raise too_many("too many photos are being stored")
        if self._inside == 0 and count <= ALWAYS_TRIED:
            return
        needed_ms = (self._inside + count) * self._photo_ms
        if needed_ms > deadline.remaining_ms:
            fitting = max(1, int(deadline.remaining_ms / self._photo_ms) - self._inside)
            raise too_many(
                f"to store {count} photos now takes about {needed_ms / 1000:.1f} s, and there are "
                f"{deadline.remaining_ms / 1000:.1f} s: send {min(fitting, count)} at a time, or allow more time"
            )

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                together = self._next()
                try:
                    await self._store_together(together)
                finally:
                    self._inside -= sum(len(one.photos) for one in together)
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
        """Where something is wrong with one of them, each is tried by itself: it is nobody else's error."""
        while wanted := _waiting_yet(together):
            try:
                await self._stored(wanted)
            except _SomeLeft:  # every time they are fewer, and nobody waits beyond a deadline
                continue
            except Problem as error:  # of the database or of time, and so of all of them
                _tell(wanted, error)
            except Exception as error:  # noqa: BLE001  told where each of them waits
                if len(wanted) == 1:
                    _tell(wanted, error)
                else:
                    for one in wanted:
                        await self._store_together([one])
            except BaseException as error:  # the process ends
                _tell(wanted, error)
                raise
            else:
                _tell(wanted, None)

    async def _stored(self, wanted: Sequence[_Waiting]) -> None:
        photos = [photo for one in wanted for photo in one.photos]
        started_s = time.monotonic()
        prepared = await asyncio.to_thread(self._prepare, photos)
        prepared_ms = (time.monotonic() - started_s) * 1000
        if _some_left(wanted):  # the time was too short even for this
            self._learn(prepared_ms / len(photos), len(photos))
            raise _SomeLeft
        loop = asyncio.get_running_loop()

        def store() -> None:  # it runs on, and teaches, when nobody waits for it any more
            started_s = time.monotonic()
            # Looked at here, for whatever a caller writes who leaves from now on comes after it.
            if not (left := _some_left(wanted)):
                self._store(prepared)
            photo_ms = (prepared_ms + (time.monotonic() - started_s) * 1000) / len(photos)
            with suppress(RuntimeError):  # the loop is closed: nobody will ask what was learnt
                loop.call_soon_threadsafe(self._learn, photo_ms, len(photos))
            if left:
                raise _SomeLeft

        last = max((one.deadline for one in wanted), key=lambda deadline: deadline.remaining_ms)
        await self._writes.run(store, deadline=last)

    def _learn(self, photo_ms: float, count: int) -> None:
        """Of few photos only if they were quick: they bear the price of a transaction alone."""
        if count > ALWAYS_TRIED and self._photo_ms == 0.0:
            self._photo_ms = photo_ms
        elif count > ALWAYS_TRIED or photo_ms < self._photo_ms:
            self._photo_ms += (SLOWER if photo_ms > self._photo_ms else FASTER) * (photo_ms - self._photo_ms)


def _waiting_yet(waiting: Sequence[_Waiting]) -> list[_Waiting]:
    """Without those whose callers have left."""
    return [one for one in waiting if not one.stored.done()]


def _some_left(waiting: Sequence[_Waiting]) -> bool:
    return any(one.stored.done() for one in waiting)


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
