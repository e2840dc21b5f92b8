"""The long part of erasures, in a service: one at a time, off the event loop, those that wait together in one go."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from common.deadline import Deadline
from common.erasing.journal import Certificate
from common.erasing.work import Erased, Erasing
from common.errors import PoolFull
from common.service.problems import Problem, not_now
from common.state.writes import Writes
from common.workers import WorkerPool

MOST_WAITING = 500  # people
TOLD_BEFORE_MS = 150  # so long before the caller's deadline it is answered, finished or not
LEAVES_WITHIN_S = 5.0
ENDS_WITHIN = timedelta(minutes=15)  # what takes longer was broken off, or somebody has to look why
TRIES, TRY_EVERY_S = 5, 1.0
BUSY = (SQLAlchemyError, sqlite3.Error, OSError)  # the second, what is kept of answers; the third, a full disk
Read = TypeVar("Read")
log = structlog.get_logger(__name__)


class Finishing:
    """For the event loop. Ids are in memory only, for as long as the work takes."""

    def __init__(
        self, erasing: Erasing, writes: Writes, reading: WorkerPool, *, leaves_within_s: float = LEAVES_WITHIN_S
    ) -> None:
        self.erasing, self._writes, self._reading = erasing, writes, reading
        self._leaves_within_s = leaves_within_s
        self._waiting: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._under_way: Sequence[datetime] = ()  # when each of them was begun, by whichever process

    def refresh(self) -> None:
        """For worker threads: looks which erasures are under way. While the database is away that is put off."""
        with suppress(SQLAlchemyError):
            self._under_way = [datetime.fromisoformat(one.begun_at) for one in self.erasing.pending()]

    @property
    def under_way(self) -> int:
        """People, at the last look."""
        return len(self._under_way)

    @property
    def trouble(self) -> str | None:
        """That some do not end, if so."""
        long_ago = datetime.now(UTC) - ENDS_WITHIN
        late = sum(begun_at < long_ago for begun_at in self._under_way)
        return f"erasures that do not end: {late}; give the ids again" if late else None

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
        except OSError as error:
            log.warning("write.failed", error=type(error).__name__)
            raise not_now(error, "the erasure could not be noted in its file; sending it again is safe") from error
        task = self.add(user_id)
        await asyncio.wait([task], timeout=max(deadline.remaining_ms - TOLD_BEFORE_MS, 0) / 1000)
        if not task.done():
            return done
        found = await self.find(done.certificate.person, deadline=deadline)
        return replace(done, certificate=found or done.certificate)

    def add(self, user_id: str) -> asyncio.Task[None]:
        """Finishes a person whose rows are gone, by this task or by the one that is at work."""
        self._waiting[user_id] = None
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return self._task

    async def find(self, person: str, *, deadline: Deadline) -> Certificate | None:
        """The certificate of a person by their hash."""
        return await self.read(partial(self.erasing.journal.find, person), deadline=deadline)

    async def all(self, *, deadline: Deadline) -> Sequence[Certificate]:
        """Newest first."""
        return await self.read(self.erasing.journal.all, deadline=deadline)

    async def aclose(self) -> None:
        """What is not done by then stays under way, and goes on when the id is given again."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=self._leaves_within_s)

    async def read(self, read: Callable[[], Read], *, deadline: Deadline) -> Read:
        """What `read` returns, off the event loop; `Problem` 503 where that takes too long."""
        try:
            return await self._reading.run(read, deadline=deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            raise Problem(503, "the list could not be read in time", headers={"Retry-After": "1"}) from error

    async def _finished(self, user_ids: list[str]) -> None:
        """A database that is busy for a while, with the wishes of others for one, or a full disk is tried again."""
        for tries_left in reversed(range(TRIES)):
            try:
                await _in_thread(partial(self.erasing.finish, user_ids))
                return
            except BUSY as error:
                if not (tries_left and _passes(error)):
                    raise
            await asyncio.sleep(TRY_EVERY_S)

    async def _work(self) -> None:
        try:
            while self._waiting:
                user_ids = list(self._waiting)
                self._waiting.clear()  # who is wished for once more meanwhile is done once more
                await self._tried(user_ids)
        finally:
            self._task = None

    async def _tried(self, user_ids: list[str]) -> None:
        """Whom nothing helped stays under way; one of them, or a row that one of them has, does not stop others."""
        try:
            await self._finished(user_ids)
        except Exception as error:
            if _passes(error):
                log.warning("erasure.interrupted", error=type(error).__name__)
                return
            log.exception("erasure.bug")
            for user_id in user_ids if len(user_ids) > 1 else ():
                await self._tried([user_id])


def _passes(error: Exception) -> bool:
    """Whether it is no fault of what was asked for."""
    return isinstance(error, BUSY) and not isinstance(error, DataError | IntegrityError | ProgrammingError)


async def _in_thread(work: Callable[[], object]) -> None:
    """In a thread of its own, for which the end of the process does not wait: it can be done again."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if done.done():  # nobody waits any more
            return
        done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error: Exception | None = None
        try:
            work()
        except Exception as raised:  # noqa: BLE001  it is raised where this is awaited
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=copy_context().run, args=(run,), name="erasing", daemon=True).start()
    await done
