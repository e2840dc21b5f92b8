"""Writes to the state database on behalf of a request: acknowledged only once they are durable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.problems import not_now
from common.workers import WorkerPool

Written = TypeVar("Written")
log = structlog.get_logger(__name__)


class Writes:
    """One thread: writers queue up here, where the queue is bounded, and not in front of the database."""

    def __init__(self, *, queue: int) -> None:
        self._pool = WorkerPool("writer", threads=1, queue=queue)

    async def run(self, write: Callable[[], Written], *, deadline: Deadline) -> Written:
        """What `write` returns; `Problem` 429 if too many wait, 503 if the database can't: sending it again is safe."""
        try:
            return await self._pool.run(write, deadline=deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            log.warning("write.failed", error=type(error).__name__)
            raise not_now(error, "it could not be stored in time; sending it again is safe") from error

    def close(self) -> None:
        self._pool.close()
