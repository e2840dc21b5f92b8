"""The long part of erasures, in a service: one at a time, off the event loop, those that wait together in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.erasing.journal import Certificate
from common.erasing.work import Erased, Erasing
from common.errors import PoolFull
from common.service.problems import Problem
from common.state.writes import Writes
from common.workers import WorkerPool

MOST_WAITING = 500  # people
TOLD_BEFORE_MS = 150  # so long before the caller's deadline it is answered, finished or not
LEAVES_WITHIN_S = 5.0
TRIES, TRY_EVERY_S = 5, 1.0
Read = TypeVar("Read")
log = structlog.get_logger(__name__)


class Finishing:
    """For the event loop. Ids are in memory only, for as long as the work takes."""

    def __init__(self, erasing: Erasing, writes: Writes, reading: WorkerPool) -> None:
        self.erasing, self._writes, self._reading = erasing, writes, reading
        self._waiting: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None
        self.unfinished = 0  # people who are being erased by this process
        self.interrupted = False  # whether the last work broke off

    async def erase(self, user_id: str, *, owner: str, reason: str, deadline: Deadline) -> Erased:
        """The rows are gone, durably, when it returns; the rest, too, if the time allowed it: the certificate tells.

        `Problem` 422 for a reason that names the person, 503 where nothing is promised.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Problem(503, "too many people are being erased", headers={"Retry-After": "10"})
        begin = partial(self.erasing.begin, user_id, owner=owner, reason=reason)
        try:
            done = await self._writes.run(begin, deadline=deadline)
        except ValueError as error:
            raise Problem(422, f"reason: {error}") from error
        self._waiting[user_id] = None
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        await asyncio.wait([self._task], timeout=max(deadline.remaining_ms - TOLD_BEFORE_MS, 0) / 1000)
        if self._task is not None and not self._task.done():
            return done
        found = await self.find(done.certificate.person, deadline=deadline)
        return replace(done, certificate=found or done.certificate)

    async def find(self, person: str, *, deadline: Deadline) -> Certificate | None:
        """The certificate of a person by their hash."""
        return await self.read(partial(self.erasing.journal.find, person), deadline=deadline)

    async def all(self, *, deadline: Deadline) -> Sequence[Certificate]:
        """Newest first."""
        return await self.read(self.erasing.journal.all, deadline=deadline)

    async def aclose(self) -> None:
        """What is not done by then stays under way, and goes on when the id is given again."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=LEAVES_WITHIN_S)

    async def read(self, read: Callable[[], Read], *, deadline: Deadline) -> Read:
        """What `read` returns, off the event loop; `Problem` 503 where that takes too long."""
        try:
            return await self._reading.run(read, deadline=deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            raise Problem(503, "the list could not be read in time", headers={"Retry-After": "1"}) from error

    async def _finished(self, user_ids: list[str]) -> None:
        """A database that is busy for a while, with the wishes of others for one, is asked again."""
        for tries_left in reversed(range(TRIES)):
            try:
                await asyncio.to_thread(self.erasing.finish, user_ids)
                return
            except SQLAlchemyError:
                if not tries_left:
                    raise
            await asyncio.sleep(TRY_EVERY_S)

    async def _work(self) -> None:
        try:
            while self._waiting:
                user_ids = list(self._waiting)
                self.unfinished = len(user_ids)
                self._waiting.clear()  # who is wished for once more meanwhile is done once more
                await self._finished(user_ids)
                self.interrupted = False
        except SQLAlchemyError as error:
            self.interrupted = True
            log.warning("erasure.interrupted", error=type(error).__name__)
        except Exception:
            self.interrupted = True
            log.exception("erasure.bug")
        finally:
            self._waiting.clear()
            self._task, self.unfinished = None, 0
