"""What a call does to the process it is made in: how far memory grows, and how long the event loop stands still."""

from __future__ import annotations

import asyncio
import re
import resource
import sys
import time
from pathlib import Path

BEAT_S = 0.001
MIB_BYTES = 1024 * 1024


class Memory:
    """The peak of resident memory since it was made, above what there was then."""

    def __init__(self) -> None:
        self._before_mb = _peak_mb(reset=True)

    @property
    def growth_mb(self) -> float:
        return max(0.0, _peak_mb() - self._before_mb)


def _peak_mb(*, reset: bool = False) -> float:
    """Linux remembers the peak between two looks; elsewhere only the peak of a whole life is known."""
    if sys.platform == "linux":
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        kib = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert kib is not None
        return int(kib[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB_BYTES


class Heartbeat:
    """A task that wants to run every millisecond and remembers the longest time that it could not."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Beats when this returns."""
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(2 * BEAT_S)

    async def stop(self) -> float:
        """The longest stall in milliseconds, the one that just ended included."""
        await asyncio.sleep(2 * BEAT_S)
        if self._task is not None:
            self._task.cancel()
        return self.longest_s * 1000

    async def _beat(self) -> None:
        last_s = time.perf_counter()
        while True:
            await asyncio.sleep(BEAT_S)
            now_s = time.perf_counter()
            self.longest_s = max(self.longest_s, now_s - last_s - BEAT_S)
            last_s = now_s
