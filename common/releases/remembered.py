"""What both versions foretold, kept until the truth is known; bounded, the oldest go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Foretold = TypeVar("Foretold")
MOST = 50_000


class Remembered(Generic[Key, Foretold]):
    """Written on the event loop, read by whichever thread learns the truth."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._foretold: OrderedDict[Key, tuple[str, Foretold]] = OrderedDict()

    def put(self, release_id: str, key: Key, foretold: Foretold) -> None:
        """The newest word on `key` counts."""
        with self._lock:
            self._foretold.pop(key, None)
            self._foretold[key] = release_id, foretold
            while len(self._foretold) > self._most:
                self._foretold.popitem(last=False)

    def take(self, release_id: str | None, key: Key) -> Foretold | None:
        """What was foretold during this rollout, once: a truth counts once, however often it is told."""
        with self._lock:
            told_in, foretold = self._foretold.pop(key, (None, None))
        return foretold if told_in is not None and told_in == release_id else None
