"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.errors import PoolFull
from common.known_versions import KnownVersions
from common.overrides import Override, OverrideStore
from common.problems import Problem
from common.snapshot import Snapshot
from common.workers import WorkerPool
from supermegaretail.book import SalesBook
from supermegaretail.forecast import Forecaster

Written = TypeVar("Written")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    forecaster: Forecaster
    book: SalesBook
    versions: KnownVersions
    overrides: OverrideStore
    active_overrides: Snapshot[dict[str, Override]]
    writers: WorkerPool  # one thread: writes to the state database queue up here, not in front of it
    deprecated_calls: Counter
    own_versions: dict[str, str]

    async def store(self, write: Callable[[], Written], *, deadline: Deadline) -> Written:
        """Runs a write to the end, or raises `Problem` 503: then nothing is promised, and it may be sent again."""
        try:
            return await self.writers.run(write, deadline=deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            log.warning("store.failed", error=type(error).__name__)
            detail = "it could not be stored in time; sending it again is safe"
            raise Problem(503, detail, headers={"Retry-After": "1"}) from error

    def count_deprecated_call(self, caller: str) -> None:
        self.deprecated_calls.labels("/predictions", caller).inc()
