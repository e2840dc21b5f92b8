"""Several requests, one core: who computes next. What is computed together never changes by that, only when."""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import NamedTuple

LOOK_AGAIN_S = 0.01  # whether it is still worth waiting, also while a chunk takes long


class Place(NamedTuple):
    """Where in the line somebody stands; the smallest is next."""

    rest: bool  # first come those who have no answer yet, then those who want a better one
    answered: (
        int  # searches of the same request that have their first scores: a request of many takes turns with others
    )
    ends_at_s: float  # the deadline
    number: int
    pairs: int  # that it wants to compute before it gives way to those behind


class Turns:
    """One request at a time computes, a chunk at a time; their threads wait here."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._computing: Turn | None = None
        self._line: list[Place] = []
        self._numbers = count()

    def place(self, *, rest: bool, answered: int, ends_at_s: float, pairs: int) -> Place:
        return Place(rest, answered, ends_at_s, next(self._numbers), pairs)

    def ahead_of(self, place: Place) -> int:
        """Pairs that those want to compute who wait before this place."""
        with self._changed:
            return sum(other.pairs for other in self._line if other < place)

    def wait(self, turn: Turn, place: Place, worth_it: Callable[[], bool]) -> bool:
        with self._changed:
            insort(self._line, place)
            try:
                self.give_up(turn)
                while worth_it():
                    if self._computing is None and self._line[0] is place:
                        self._computing = turn
                        return True
                    self._changed.wait(LOOK_AGAIN_S)
                return False
            finally:
                self._line.remove(place)
                self._changed.notify_all()

    def give_up(self, turn: Turn) -> None:
        with self._changed:
            if self._computing is turn:
                self._computing = None
                self._changed.notify_all()


class Turn:
    """That of one request. It is kept until the next place in the line is taken: nobody slips in between."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.turns.give_up(self)

    def comes(self, place: Place, *, worth_it: Callable[[], bool]) -> bool:
        """Waits for the turn of this place; false if that did not come as long as it was worth it."""
        return self.turns.wait(self, place, worth_it)
