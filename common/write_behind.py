"""Written by a thread of its own, behind the back of whoever puts: a bounded queue that never makes anybody wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

Item = TypeVar("Item")
log = structlog.get_logger(__name__)


class WriteBehind(Generic[Item]):
    """`put` may be called from any thread, the event loop included. To be started and closed once.

    Args:
        size_of: what an item counts towards `most_waiting` and `flush_size`: rows, bytes.
        write: gets what has waited, in order, on the thread. What it raises is logged, and costs those items only.
        dropped: is told of each item that found no room, or was not written when `close` gave up.
        tidy: is called on the thread every `tidy_every_s`, also while nothing is put.
    """

    def __init__(
        self,
        name: str,
        *,
        size_of: Callable[[Item], int],
        write: Callable[[Sequence[Item]], None],
        dropped: Callable[[Item], None],
        most_waiting: int,
        flush_size: int,
        flush_every_s: float,
        tidy: Callable[[], None] = lambda: None,
        tidy_every_s: float = 60.0,
    ) -> None:
        self._size_of, self._work, self._tidy, self._dropped = size_of, write, tidy, dropped
        self._most_waiting = most_waiting
        self._flush_size = flush_size
        self._flush_every_s = flush_every_s
        self._tidy_every_s = tidy_every_s
        self._waiting: deque[Item] = deque()
        self._waiting_size = 0
        self._changed = threading.Condition()
        self._taken = self._written = 0  # rounds of the writer that were begun, and that were ended
        self._hurry = self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Item) -> None:
        """Returns at once; where the queue is full the item is dropped."""
        size = self._size_of(item)
        with self._changed:
            taken = not self._closing and self._waiting_size + size <= self._most_waiting
            if taken:
                self._waiting.append(item)
                self._waiting_size += size
                if len(self._waiting) == 1 or self._waiting_size >= self._flush_size:
                    self._changed.notify_all()
        if not taken:
            self._dropped(item)

    def flush(self, timeout_s: float) -> bool:
        """Has everything written that was put before; False if that takes longer. Not for the event loop."""
        with self._changed:
            if not self._waiting and self._written == self._taken:
                return True
            wanted = self._taken + (1 if self._waiting else 0)
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._written >= wanted, timeout_s)

    def close(self, timeout_s: float = 2.0) -> None:
        """Writes what is waiting, for at most `timeout_s`; what waits then is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        for item in self._taken_out():
            self._dropped(item)

    def _run(self) -> None:
        tidy_at_s = time.monotonic() + self._tidy_every_s
        while True:
            taken, closing = self._take(tidy_at_s)
            if taken and not self._guarded(partial(self._work, taken)):
                for item in taken:
                    self._dropped(item)
            with self._changed:
                self._written = self._taken
                self._changed.notify_all()
            if closing:
                return
            if time.monotonic() >= tidy_at_s:  # also when nothing is written: what is too old has to go
                self._guarded(self._tidy)
                tidy_at_s = time.monotonic() + self._tidy_every_s

    def _take(self, until_s: float) -> tuple[list[Item], bool]:
        """Waits for something to write, at most until then, and after that for more to come with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, max(until_s - time.monotonic(), 0.0))
            if self._waiting:
                self._changed.wait_for(
                    lambda: self._hurry or self._closing or self._waiting_size >= self._flush_size, self._flush_every_s
                )
            self._hurry = False
            self._taken += 1
            return self._taken_out(), self._closing

    def _taken_out(self) -> list[Item]:
        with self._changed:
            taken, self._waiting = list(self._waiting), deque()
            self._waiting_size = 0
            return taken

    def _guarded(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except BaseException:  # a panic of polars is no Exception, and a dead thread would tell nobody
            log.exception("write_behind.bug", thread=self._thread.name)
            return False
        return True
