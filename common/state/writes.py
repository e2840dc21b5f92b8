"""Writes to the state database on behalf of a request: acknowledged only once they are durable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import DataError, SQLAlchemyError

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.problems import Problem, not_now, too_many
from common.workers import WorkerPool

Written = TypeVar("Written")
TOO_MANY = "too many writes wait; sending it again is safe"
OUT_OF_TIME = "it could not be stored in time; sending it again is safe"
SOON_MS = 50.0  # whoever waited no longer for their turn is begun, however long others took
SLOWER, FASTER = 0.1, 0.5  # weights of a new duration: we are slow to believe that writing has become slow
REFUSAL_MS, REFUSAL_SHARE = 50, 0.1  # of a request's time, whichever is less
log = structlog.get_logger(__name__)


def time_to_store(deadline: Deadline) -> Deadline:
    """A little earlier: who can't be served is to hear that in time, too."""
    return deadline.keeping_ms(min(REFUSAL_MS, REFUSAL_SHARE * deadline.remaining_ms))


class Copy(Protocol):
    """What requests read from memory."""

    @property
    def trouble(self) -> str | None: ...

    def refresh(self) -> None: ...


def seen_here(copy: Copy, done: str, what: str) -> None:
    """After a write: reads it; `Problem` 503 where the database does not tell it, for then it is only stored.

    Args:
        done: "it is stored".
        what: of which this is the copy, in the plural.
    """
    copy.refresh()
    if copy.trouble is not None:
        raise Problem(503, f"{done}, but not seen here yet: the {what} {copy.trouble}")


class Writes:
    """One thread: writers queue up here, where the queue is bounded, and not in front of the database."""

    def __init__(self, *, queue: int) -> None:
        self._pool = WorkerPool("writer", threads=1, queue=queue)
        self._refused = False  # the database took not the last one
        self._inside = self._written = 0  # now; so far
        self._write_ms = 0.0  # what one usually takes

    async def run(self, write: Callable[[], Written], *, deadline: Deadline) -> Written:
        """What `write` returns; `Problem` 429 if too many wait, 503 if the database can't: sending it again is safe.
        422 for what no try would store.

        Those whose turn never came were too many if others were written meanwhile; if none was, the database can't.
        """
        within = time_to_store(deadline)
        if self._inside * self._write_ms > within.remaining_ms / 2:
            raise not_now(TimeoutError(), OUT_OF_TIME) if self._refused else too_many(TOO_MANY)
        begun, written_before, asked_s = threading.Lock(), self._written, time.monotonic()

        def once() -> Written:
            begun_s = time.monotonic()
            in_vain = (begun_s - asked_s) * 1000 > SOON_MS and within.remaining_ms < self._write_ms
            if in_vain or not begun.acquire(blocking=False):  # who did not begin it told its caller so
                raise TimeoutError
            try:
                written = write()
            except SQLAlchemyError as error:
                self._refused = not isinstance(error, DataError)
                raise
            except Exception:  # the database answered, and the store said no
                self._refused = False
                raise
            self._refused = False
            self._written += 1
            self._learn((time.monotonic() - begun_s) * 1000)
            return written

        self._inside += 1
        try:
            return await self._pool.run(once, deadline=within)
        except DataError as error:
            raise Problem(422, "there is something in it that the database can't hold") from error
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            if self._written > written_before and begun.acquire(blocking=False):
                raise too_many(TOO_MANY) from error
            log.warning("write.failed", error=type(error).__name__)
            raise not_now(TimeoutError() if self._refused else error, OUT_OF_TIME) from error  # no caller's fault
        finally:
            self._inside -= 1

    def _learn(self, write_ms: float) -> None:
        self._write_ms += (SLOWER if write_ms > self._write_ms else FASTER) * (write_ms - self._write_ms)

    def close(self) -> None:
        self._pool.close()
