"""How many requests may be at work, and whose: more are refused at once, so that those at work are done in time.

The limit follows the queue, not the load (the idea of CoDel): while even the shortest wait of a while is too long, work
stands in line, and fewer are let in; while there is no line, more are. A model that hangs makes answers late without
any line in this process, and the limit stays.
"""

from __future__ import annotations

import math
import time
from collections import Counter

from common.deadline import Deadline
from common.service.auth import Callers
from common.service.turns import Turns

STANDING_MS = 25.0  # a wait for the event loop that is never shorter than this for a whole window is a line
WINDOW_S = 0.1
FEWEST_LOOKS = 4  # of a window, which else is made longer: one block is no line
WITHIN_S = 0.2  # more than are answered in this time are far too many behind a line
FEWEST = 16  # as many as may be with a model (`Upstream`)
LEAST, LESS, MORE = 0.5, 0.8, 1.05  # steps of the limit, per window
ANSWERING_MS = 3.0  # of the event loop, for each of those who give up waiting for a model in the same moment
ANSWERING_SHARE = 1 / 3  # of the time that is left, at the most
IN_LINE_SHARE = 1 / 4  # of a request's time, at the most
OPERATORS = 8  # places beyond the limit, for them alone
GREEDY_SHARE = 2 / 3  # of the limit, for one caller while there are others
ALONE_AFTER_S = 5.0  # longer than `Retry-After`: whoever was told to come back finds room


class Place:
    """One of those at work. It may be left twice, and counts once."""

    __slots__ = ("_admission", "_caller")

    def __init__(self, admission: Admission, caller: str) -> None:
        self._admission: Admission | None = admission
        self._caller = caller

    def leave(self, *, answered: bool = True) -> None:
        if self._admission is not None:
            self._admission.leave(self._caller, answered=answered)
            self._admission = None


class Admission:
    """The books of one process; not for threads.

    Args:
        most: requests at work at a time, at the very most.
        callers: are told apart by their keys; all others by their addresses, for anybody can make up a key.
    """

    def __init__(self, *, most: int, callers: Callers | None = None) -> None:
        self.limit = float(most)
        self.refused = 0  # so far
        self.turns = Turns()  # in which those who are let in begin
        self._most = most
        self._callers = callers
        self._at_work = 0
        self._of: Counter[str] = Counter()  # at work, by caller; no entry for 0, so it is bounded by the limit
        self._last, self._shared_until_s = "", 0.0
        self._window_began_s, self._shortest_ms, self._looks, self._done = 0.0, math.inf, 0, 0

    def caller(self, authorization: str | None, address: str) -> str:
        """Whose share of the places a request takes."""
        return (self._callers and self._callers.known(authorization)) or address

    def full(self, caller: str, *, operator: bool = False, passed: float = 0.0, budget_ms: float = math.inf) -> bool:
        """Whether there is no room for another request of this caller.

        `passed` is the share of its time, 0 to 1, that went by before it was read: whoever has little left needs as
        much more room, for in a full house they would be late. So would who stands in line for too much of the
        `budget_ms`: to be answered takes as long as to begin, and between the two a model is asked.
        """
        if operator:
            return self._at_work >= int(self.limit) + OPERATORS
        if caller != self._last:
            self._shared_until_s = time.monotonic() + ALONE_AFTER_S if self._last else 0.0
            self._last = caller
        # Where no line stands it was a pause of the machine that made them late: some are answered all the same.
        least = FEWEST if self.limit >= self._most else 1
        if self._at_work >= int(self.limit) or (passed and self._at_work >= max(least, self.limit * (1 - passed))):
            return True
        if self.turns.expected_wait_ms > budget_ms * IN_LINE_SHARE and self._at_work >= FEWEST:
            return True
        of_one = self._of[caller]
        return of_one >= max(1.0, self.limit * GREEDY_SHARE) and time.monotonic() < self._shared_until_s

    def enter(
        self, caller: str, *, operator: bool = False, passed: float = 0.0, budget_ms: float = math.inf
    ) -> Place | None:
        """A place, which has to be left; None, and counted, where there is none."""
        if self.full(caller, operator=operator, passed=passed, budget_ms=budget_ms):
            self.refused += 1
            return None
        self._at_work += 1
        self._of[caller] += 1
        return Place(self, caller)

    def begin(self, deadline: Deadline) -> Deadline | None:
        """Until when who begins now is to be done; None, and counted, where they would be late.

        That is earlier than `deadline`: all at work may wait for the same model until the end, and are then answered
        one by one.
        """
        others_ms = self._at_work * ANSWERING_MS
        if self._at_work > FEWEST and others_ms > deadline.remaining_ms:
            self.refused += 1
            return None
        return deadline.keeping_ms(min(others_ms, deadline.remaining_ms * ANSWERING_SHARE))

    def leave(self, caller: str, *, answered: bool = True) -> None:
        self._at_work -= 1
        self._done += answered
        self._of[caller] -= 1
        if not self._of[caller]:
            del self._of[caller]

    def waited(self, wait_ms: float) -> None:
        """Something that was due had to wait for the event loop for so long; moves the limit once per window."""
        self._shortest_ms = min(self._shortest_ms, wait_ms)
        self._looks += 1
        now_s = time.monotonic()
        length_s = now_s - self._window_began_s
        if length_s < WINDOW_S or self._looks < FEWEST_LOOKS:
            return
        if self._shortest_ms > STANDING_MS:
            in_time = self._done / length_s * WITHIN_S
            self.limit = min(self._most, max(FEWEST, self.limit * LEAST, min(self.limit * LESS, in_time)))
        else:
            self.limit = min(self._most, self.limit * MORE)
        self._window_began_s, self._shortest_ms, self._looks, self._done = now_s, math.inf, 0, 0
