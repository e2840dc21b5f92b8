"""When the machine itself stood still: the time that nobody can have worked in, so that it is blamed on nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from pathlib import Path

TICK_SECONDS = 0.01
NOTICED_SECONDS = 0.03  # a tick that is later than this was not late by chance
REMEMBERED = 20_000  # stalls; the oldest are forgotten
STEAL_COLUMN = 8  # of a "cpuN" line, see proc_stat(5): hundredths of a second that the hypervisor gave to others
STEAL_UNIT_SECONDS = 0.01
KERNEL = Path("/proc/stat")


class StallWatch:
    """Notices when this process did not get to run, and when the hypervisor took a core away (Linux tells it).

    With `stolen_only` the first does not count: where the process itself is judged, it may be what held itself up.
    """

    def __init__(self, kernel: Path = KERNEL, *, stolen_only: bool = False) -> None:
        self._kernel = kernel
        self._stolen_only = stolen_only
        self._stalls: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)  # start and end on the loop's clock
        self._last_tick: float | None = None

    async def run(self) -> None:
        """Ticks until cancelled, and remembers each stretch that was lost since the tick before."""
        clock, stolen = asyncio.get_running_loop().time, self._stolen()
        while True:
            self._last_tick = clock()
            await asyncio.sleep(TICK_SECONDS)
            now, stolen_before, stolen = clock(), stolen, self._stolen()
            taken = [after - before for after, before in zip(stolen, stolen_before, strict=False)]
            lost = max(self._late_by(now), *taken, 0.0)  # of cores that stood still together, the longest
            if lost > 0:
                self._stalls.append((now - lost, now))

    async def booked(self) -> None:
        """Wait until what happened up to now is known: the kernel books stolen time at its next tick."""
        await asyncio.sleep(2 * TICK_SECONDS)

    def seconds_between(self, start: float, end: float) -> float:
        """How much of this stretch was lost to stalls; never more than its length."""
        since = takewhile(lambda stall: stall[1] > start, reversed(self._stalls))
        lost = sum(max(0.0, min(end, stall_end) - max(start, stall_start)) for stall_start, stall_end in since)
        return min(lost, end - start)

    def _late_by(self, now: float) -> float:
        due = now if self._last_tick is None else self._last_tick + TICK_SECONDS
        return now - due if now - due > NOTICED_SECONDS and not self._stolen_only else 0.0

    def _stolen(self) -> list[float]:
        """Seconds stolen from each core since the machine was started; nothing where the system does not tell."""
        try:
            lines = self._kernel.read_text().splitlines()[1:]  # the first one is the sum of all cores
        except OSError:
            return []
        columns = [line.split() for line in lines if line.startswith("cpu")]
        return [int(column[STEAL_COLUMN]) * STEAL_UNIT_SECONDS for column in columns if len(column) > STEAL_COLUMN]
