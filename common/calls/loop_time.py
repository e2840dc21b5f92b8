"""A share of the event loop's time, for work that must not slow down the calls that run on the same loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class LoopTime:
    """Fills by `share` of a second per second, up to `burst_ms`, and is used up by what is measured.

    What is begun is finished, so one piece of work may overdraw it; the next ones wait until that is made up for.
    """

    def __init__(self, *, share: float, burst_ms: float = 20, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share
        self._burst_ms = burst_ms
        self._clock = clock
        self._left_ms = burst_ms
        self._filled_at_s = clock()

    @property
    def is_left(self) -> bool:
        """Whether work may begin now."""
        now_s = self._clock()
        self._left_ms = min(self._burst_ms, self._left_ms + (now_s - self._filled_at_s) * 1000 * self._share)
        self._filled_at_s = now_s
        return self._left_ms > 0

    @contextmanager
    def used(self) -> Iterator[None]:
        """Measures the enclosed work, which must not wait for anything."""
        begun_s = self._clock()
        try:
            yield
        finally:
            self._left_ms -= (self._clock() - begun_s) * 1000
