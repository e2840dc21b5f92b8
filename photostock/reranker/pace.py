"""How fast the reranker is just now: so that it begins nothing that it could not finish."""

from __future__ import annotations

from common.deadline import Deadline

WEIGHT = 0.2  # of the newest measurement
MOST = 4  # times the estimate is what the first slow measurement counts for: a process that stood still was not slow
FORGIVENESS = 0.9  # with each refusal the estimate falls, so that one slow moment does not silence it for good


class Pace:
    """A moving estimate of the time per pair; an estimate is all it is, so threads may overwrite each other's."""

    def __init__(self) -> None:
        self.ms_per_pair: float | None = None
        self._was_slow = False  # far slower than expected, when measured last

    def learn(self, pairs: int, ms: float) -> None:
        """Takes over how long some pairs really took."""
        if pairs:
            measured = ms / pairs
            before = self.ms_per_pair if self.ms_per_pair is not None else measured
            slow = measured > MOST * before
            if slow and not self._was_slow:
                measured = MOST * before
            self._was_slow = slow
            self.ms_per_pair = (1 - WEIGHT) * before + WEIGHT * measured

    def suffices(self, pairs: int, deadline: Deadline) -> bool:
        """Whether so many pairs can be expected to be done in time."""
        return self.ms_per_pair is None or self.ms_per_pair * pairs <= deadline.remaining_ms

    def forgive(self) -> None:
        """To be called when nothing was tried because the pace did not suffice."""
        if self.ms_per_pair is not None:
            self.ms_per_pair *= FORGIVENESS
