"""One total budget per request, made once and handed down; nobody starts a clock of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

HEADER = "X-Timeout-Ms"  # remaining milliseconds, never a time of day: clocks of two machines differ


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which an answer must be there.

    `at_s` is a reading of `clock`, a monotonic clock in seconds.
    """

    at_s: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after_ms(cls, budget_ms: float, *, clock: Callable[[], float] = time.monotonic) -> Deadline:
        return cls(clock() + budget_ms / 1000, clock)

    @property
    def remaining_ms(self) -> float:
        """Milliseconds left, 0 once the moment has passed."""
        return max(0.0, (self.at_s - self.clock()) * 1000)

    @property
    def expired(self) -> bool:
        return self.at_s <= self.clock()

    def keeping_ms(self, reserve_ms: float) -> Deadline:
        """An earlier deadline that leaves `reserve_ms` to whoever comes after."""
        return Deadline(self.at_s - reserve_ms / 1000, self.clock)

    def at_most_ms(self, budget_ms: float) -> Deadline:
        """This deadline or `budget_ms` from now, whichever is earlier."""
        return Deadline(min(self.at_s, self.clock() + budget_ms / 1000), self.clock)
