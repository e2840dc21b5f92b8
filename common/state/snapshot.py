"""A copy of something in the state database that requests read from memory.

Requests never wait for the database; other processes' changes arrive within `REFRESH_EVERY_MS`; and while the database
can't be read, the last copy stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Lock
from typing import Generic, TypeVar

import structlog

REFRESH_EVERY_MS = 1_000
LAST_S = 2.0  # how long the end waits for calls that are under way, for all of them together
Value = TypeVar("Value")
log = structlog.get_logger(__name__)


class Snapshot(Generic[Value]):
    """`value` is the newest copy; `read` makes one, off the event loop."""

    def __init__(self, name: str, read: Callable[[], Value], *, first: Value) -> None:
        self.name = name
        self.value = first
        self.trouble: str | None = "not read yet"  # why the copy may be old
        self._read = read
        self._refreshing = Lock()  # else what was read before a change could come after what was read since

    def refresh(self) -> None:
        """Reads now; for worker threads and for the start. A failure leaves the old copy in force."""
        with self._refreshing:
            try:
                self.value = self._read()
            except Exception as error:  # noqa: BLE001  any of a driver's errors; the copy in force is the answer to all
                if self.trouble is None:
                    log.warning("snapshot.stale", snapshot=self.name, error=f"{type(error).__name__}: {error}")
                self.trouble = f"can't be read: {type(error).__name__}"
            else:
                self.trouble = None


@asynccontextmanager
async def kept_fresh(
    refresh: Callable[[], None], *, every_ms: float = REFRESH_EVERY_MS, first_within_ms: float = 0
) -> AsyncIterator[None]:
    """Calls `refresh` again and again, in a thread, for as long as the `async with` block lasts."""
    async with all_kept_fresh((refresh, every_ms), first_within_ms=first_within_ms):
        yield


@asynccontextmanager
async def all_kept_fresh(*kept: tuple[Callable[[], None], float], first_within_ms: float = 0) -> AsyncIterator[None]:
    """Calls each, and again so many milliseconds after it returned; none of them waits for another.

    The block begins when all first calls are over, or after `first_within_ms` if that is sooner. They should not raise
    for lasting reasons such as a lost database, which `Snapshot` takes care of. Calls that are under way at the end are
    waited for: they use what their owner closes next.
    """
    over, firsts = asyncio.Event(), [asyncio.Event() for _ in kept]
    keepers = [
        asyncio.create_task(_refresh_until(over, refresh, every_ms, first))
        for (refresh, every_ms), first in zip(kept, firsts, strict=True)
    ]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(first_within_ms / 1000):
                for first in firsts:
                    await first.wait()
        yield
    finally:
        over.set()
        await asyncio.wait(keepers, timeout=LAST_S)
        for keeper in keepers:
            keeper.cancel()


async def _refresh_until(
    over: asyncio.Event, refresh: Callable[[], None], every_ms: float, first: asyncio.Event
) -> None:
    while not over.is_set():
        try:
            await asyncio.to_thread(refresh)
        except Exception:
            log.exception("snapshot.bug")
        first.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(every_ms / 1000):
                await over.wait()
