"""Writes to the state database on behalf of a request: acknowledged only once they are durable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.problems import Problem
from common.workers import WorkerPool

Written = TypeVar("Written")
log = structlog.get_logger(__name__)


class Writes:
    """One thread: writers queue up here, where the queue is bounded, and not in front of the database."""

    def __init__(self, *, queue: int) -> None:
        self._pool = WorkerPool("writer", threads=1, queue=queue)

    async def run(self, write: Callable[[], Written], *, deadline: Deadline) -> Written:
        """What `write` returns, or `Problem` 503: then nothing is promised, and it may be sent again."""
        try:
            return await self._pool.run(write, deadline=deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            log.warning("write.failed", error=type(error).__name__)
            detail = "it could not be stored in time; sending it again is safe"
            raise Problem(503, detail, headers={"Retry-After": "1"}) from error

    def close(self) -> None:
        self._pool.close()
