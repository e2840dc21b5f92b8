"""Who may queue for some workers: nobody beyond the places there are, and nobody who would wait in vain.

Workers are threads of ours, or the slots of an upstream.
"""

from __future__ import annotations

import threading

SLOWER, FASTER = 0.1, 0.5  # weights of a new duration: we are slow to believe that work has become slow


class Queueing:
    """The books of a pool: how many pieces of work are in, and how long one usually takes. Safe for many threads.

    While a thread is idle everything is admitted, whatever was learned, so a wrong belief about durations mends itself.
    It errs towards short ones: a piece admitted in vain is dropped unstarted, one refused in vain is a lost answer.
    """

    def __init__(self, *, threads: int, places: int) -> None:
        self.inside = 0  # pieces of work that run or wait
        self.usual_ms = 0.0  # weighted mean of the durations
        self._threads = threads
        self._places = places
        self._lock = threading.Lock()

    @property
    def expected_wait_ms(self) -> float:
        """How long a new piece would wait for a thread: until so many have ended as are one too many."""
        return max(0, self.inside - self._threads + 1) * self.usual_ms / self._threads

    def refuses(self, remaining_ms: float) -> bool:
        """Whether a piece of work that is wanted within `remaining_ms` would not be let in."""
        idle = self.inside < self._threads
        return not idle and (self.inside >= self._places or self.expected_wait_ms > remaining_ms)

    def admit(self, remaining_ms: float) -> bool:
        """Lets a piece of work in, which must `leave` then, or says False."""
        with self._lock:
            if self.refuses(remaining_ms):
                return False
            self.inside += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1

    def learn(self, took_ms: float) -> None:
        """A piece of work ran for so long."""
        with self._lock:
            self.usual_ms += (SLOWER if took_ms > self.usual_ms else FASTER) * (took_ms - self.usual_ms)
