"""Searches go first: who encodes photos stops between two of them while searches need the cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT_S = 0.005  # about a search; so adding goes on, at a third of its speed, however many searches there are


class Precedence:
    """How many searches are being computed; for any number of threads.

    Args:
        cores: of the machine. One of them is for the event loop.
    """

    def __init__(self, *, cores: int | None = None) -> None:
        self.others = max(1, (cores or os.cpu_count() or 1) - 1)  # threads that have a core beside the event loop's
        self._searches = 0
        self._changed = threading.Condition()

    @contextmanager
    def searching(self) -> Iterator[None]:
        """For the length of a search."""
        with self._changed:
            self._searches += 1
        try:
            yield
        finally:
            with self._changed:
                self._searches -= 1
                self._changed.notify_all()

    def give_way(self, *, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Waits until searches leave a core, at most so long; whether one is left."""
        with self._changed:
            return self._changed.wait_for(lambda: self._searches < self.others, longest_s)
