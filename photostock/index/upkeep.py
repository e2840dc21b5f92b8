"""Work on the index that takes long and nobody waits for: one thread, at a low priority, which ends with the app."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import structlog

from photostock.index.segment import Stop

LOOK_EVERY_MS = 1_000
LEAVES_WITHIN_S = 5.0  # a block of codes enters a graph in less
NICENESS = 10  # searches go first
log = structlog.get_logger(__name__)


class Upkeep:
    """Calls `work(stop)` again and again in a thread of its own, for the length of a `with` block."""

    def __init__(self, work: Callable[[Stop], None], *, look_every_ms: float = LOOK_EVERY_MS) -> None:
        self._work, self._look_every_ms = work, look_every_ms
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-upkeep", daemon=True)

    def __enter__(self) -> Upkeep:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(LEAVES_WITHIN_S)

    def _run(self) -> None:
        if sys.platform == "linux":  # where a thread has a niceness of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._stopped.wait(self._look_every_ms / 1000):
            try:
                self._work(self._stopped.is_set)
            except Exception:
                log.exception("index.upkeep_bug")
