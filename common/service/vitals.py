"""How a process itself is: its parts, its event loop, its clock, its disk. Shown at `/metrics`."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily as ReadGauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

TICK_S = 0.25
LATE_S = 0.1  # what had to wait so long was kept waiting by something that ran on the loop
REMEMBERED_S = 60.0
MOST_REMEMBERED = 600  # as many as fit into that time
JUMP_S = 2.0  # by which the wall clock leaves the monotonic one between two ticks
DISK_EVERY_TICKS = 20


log = structlog.get_logger(__name__)


def tell_why(watching: asyncio.Task[None]) -> None:
    """Tells the log of an error that ended a task for which nobody waits."""
    if not watching.cancelled() and (error := watching.exception()) is not None:
        log.error("watch.ended", exc_info=error)


class HasReason(Protocol):
    """A part of a service, as `common.service.app.Part` tells it."""

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> Callable[[], str | None]: ...


class Vitals(Collector):
    """Watches from inside, four times a second; `parts` are asked when somebody looks."""

    def __init__(
        self,
        registry: CollectorRegistry,
        parts: Callable[[], Sequence[HasReason]],
        var_dir: Path,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._var_dir = var_dir
        self._wall, self._steady = wall, steady
        self._late = Counter(
            "event_loop_late_seconds_total", "Time for which the event loop was kept from its work.", registry=registry
        )
        longest = Gauge(
            "event_loop_longest_block_seconds",
            "Longest time at once, in the last minute, for which the event loop was kept from its work.",
            registry=registry,
        )
        longest.set_function(self._longest_block_s)
        self._blocks: deque[tuple[float, float]] = deque(maxlen=MOST_REMEMBERED)  # when it ended, how long it was
        self._jumps = Counter("clock_jumps_total", "Times that the wall clock was moved.", registry=registry)
        self._disk_free = Gauge("disk_free_ratio", "Free part of the file system of VAR_DIR.", registry=registry)
        self._read_disk()
        ProcessCollector(registry=registry)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        unwell = ReadGauge("part_unwell", "1 while a part of the service is unwell.", labels=("part",))
        for part in self._parts():
            unwell.add_metric((part.name,), float(part.reason() is not None))
        yield unwell

    def describe(self) -> list[Metric]:
        """Nothing is asked before the service is whole."""
        return []

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watches the loop that runs this block."""
        watching = asyncio.create_task(self._watch())
        watching.add_done_callback(tell_why)
        try:
            yield
        finally:
            watching.cancel()

    def waited(self, late_s: float) -> None:
        """Something that was due had to wait for the event loop for so long."""
        if late_s > LATE_S:
            self._late.inc(late_s)
            self._blocks.append((self._steady(), late_s))

    async def _watch(self) -> None:
        ticks = 0
        while True:
            ahead_s = self._wall() - self._steady()
            await asyncio.sleep(TICK_S)
            if abs(self._wall() - self._steady() - ahead_s) > JUMP_S:
                self._jumps.inc()
            if (ticks := ticks + 1) % DISK_EVERY_TICKS == 0:
                await asyncio.to_thread(self._read_disk)

    def _longest_block_s(self) -> float:
        since_s = self._steady() - REMEMBERED_S
        return max((length_s for end_s, length_s in tuple(self._blocks) if end_s > since_s), default=0.0)

    def _read_disk(self) -> None:
        above = self._var_dir, *self._var_dir.absolute().parents
        with suppress(OSError):
            there = next((path for path in above if path.exists()), Path("/"))
            told = os.statvfs(there)
            self._disk_free.set(told.f_bavail / max(1, told.f_blocks))
