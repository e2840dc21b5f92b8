"""How a service gets its daily reports: sums of its own processes, and a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from common.daily.counting import EVERY_MS, DailySums
from common.daily.report import daily_report
from common.daily.store import SumsStore
from common.daily.tables import DailyReport, Sources
from common.service.app import Part, Service
from common.state.database import open_state
from common.state.snapshot import kept_fresh
from common.state.writes import Writes

WAITING = 4  # people who look at reports at a time
CLOSE_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Daily:
    """The parts; the application keeps `sums` fresh, in a thread, and closes them."""

    sources: Sources
    sums: DailySums
    reading: Writes  # a thread of its own: a report takes as long as its tables are long
    cost_per_cpu_hour: float

    def report(self, day: date) -> DailyReport:
        """Reads the database."""
        store = self.sums.store
        return daily_report(store.engine, self.sources, day, cost_per_cpu_hour=self.cost_per_cpu_hour)

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Stores the sums for as long as the block lasts."""
        async with _counted(self.sums):
            yield

    def close(self) -> None:
        self.reading.close()


def daily_of(service: Service, state: Engine, sources: Sources) -> Daily:
    """For an API; call it before `service.app`."""
    sums = _sums(service, state, sources.service, role="api")
    service.parts.append(Part("daily_sums", lambda: sums.trouble))
    return Daily(sources, sums, Writes(queue=WAITING), service.settings.cost_per_cpu_hour)


@asynccontextmanager
async def model_counted(service: Service, name: str) -> AsyncIterator[None]:
    """What a model process counts belongs to the day of the service `name`; it serves as well without a database."""
    state = open_state(service.settings)
    try:
        async with _counted(_sums(service, state, name, role="model")):
            yield
    finally:
        state.dispose()


def _sums(service: Service, state: Engine, name: str, *, role: str) -> DailySums:
    return DailySums(SumsStore(state, name), service.registry, role=role, keep_days=service.settings.report_days)


@asynccontextmanager
async def _counted(sums: DailySums) -> AsyncIterator[None]:
    """The last seconds are stored, too, if the database takes them in time."""
    try:
        async with kept_fresh(sums.refresh, every_ms=EVERY_MS):
            yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await asyncio.to_thread(sums.refresh)
