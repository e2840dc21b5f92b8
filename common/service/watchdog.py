"""Notices from a thread of its own that the event loop is blocked, and tells the log what it is doing.

A blocked loop answers nobody and can't say so itself; how long blocks were is counted when they are over (`vitals`).
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

LOOK_S = 0.25
BLOCKED_S = 0.3  # longer than any request's share of the loop, shorter than a caller's patience
SHOWN_FRAMES = 12  # of the stack, the innermost

log = structlog.get_logger(__name__)


class Watchdog:
    """Asks the loop four times a second for a sign of life."""

    def __init__(self, *, blocked_s: float = BLOCKED_S) -> None:
        self._blocked_s = blocked_s
        self._ended = threading.Event()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches the loop that runs this block, and the thread that runs the loop."""
        watched = (asyncio.get_running_loop(), threading.get_ident())
        thread = threading.Thread(target=self._run, args=watched, name="loop-watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()

    def _run(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._ended.wait(LOOK_S):
            answered, asked_s = threading.Event(), time.monotonic()
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # it is closed
                return
            if answered.wait(self._blocked_s):
                continue
            log.warning("loop.blocked", stack=_stack_of(thread))
            while not answered.wait(LOOK_S):
                if self._ended.is_set():
                    return
            log.warning("loop.free_again", blocked_ms=round(1000 * (time.monotonic() - asked_s)))


def _stack_of(thread: int) -> str:
    """Where in the code a thread is; no values."""
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)[-SHOWN_FRAMES:]) if frame is not None else "gone"
