"""A copy of something in the state database that requests read from memory.

Requests never wait for the database; other processes' changes arrive within `every_ms`; and while the database can't be
read, the last copy stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

Value = TypeVar("Value")
log = structlog.get_logger(__name__)


class Snapshot(Generic[Value]):
    """`value` is the newest copy; `read` makes one, off the event loop."""

    def __init__(self, name: str, read: Callable[[], Value], *, first: Value) -> None:
        self.name = name
        self.value = first
        self.trouble: str | None = "not read yet"  # why the copy may be old
        self._read = read

    def refresh(self) -> None:
        """Reads now; for worker threads and for the start. A failure leaves the old copy in force."""
        try:
            self.value = self._read()
        except Exception as error:  # noqa: BLE001  any of a driver's errors; the copy in force is the answer to all
            if self.trouble is None:
                log.warning("snapshot.stale", snapshot=self.name, error=f"{type(error).__name__}: {error}")
            self.trouble = f"can't be read: {type(error).__name__}"
        else:
            self.trouble = None


async def keep_fresh(refresh: Callable[[], Awaitable[None]], *, every_ms: float) -> None:
    """Calls `refresh` again and again, until cancelled; it must not raise for ever-present reasons such as a lost
    database, which `Snapshot` takes care of."""
    while True:
        try:
            await refresh()
        except Exception:
            log.exception("snapshot.bug")
        await asyncio.sleep(every_ms / 1000)
