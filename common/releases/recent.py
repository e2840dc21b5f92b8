"""What was usual lately: a share and a quantile that forget, in a few numbers each."""

from __future__ import annotations

MEMORY = 2_000  # observations after which an old one hardly counts
FIRST_STEP = 0.2


class RecentShare:
    """The share of observations that were true, of late; 0 before the first."""

    def __init__(self) -> None:
        self.share = 0.0
        self.count = 0

    def add(self, true: bool) -> None:
        self.count += 1
        self.share += (true - self.share) / min(self.count, MEMORY)


class RecentQuantile:
    """A quantile of positive numbers, of late: a step up when one is above it, a smaller one down when it is not.

    Robbins and Monro's stochastic approximation, with steps relative to the value, so that the unit does not matter.
    """

    def __init__(self, level: float) -> None:
        self._level = level
        self._count = 0
        self.value: float | None = None  # None before the first

    def add(self, number: float) -> None:
        self._count += 1
        if self.value is None:
            self.value = number
            return
        step = self.value * max(FIRST_STEP / self._count**0.5, 0.01)
        self.value += step * (self._level if number > self.value else self._level - 1)
