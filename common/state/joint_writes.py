"""Those who wait to write are recorded together: a transaction has costs of its own, many times those of a row."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from common.deadline import Deadline
from common.service.problems import Problem, not_now
from common.state.writes import OUT_OF_TIME, Writes

Row = TypeVar("Row")
MOST_ROWS = 500  # recorded together: nobody waits for long for what others bring
TOO_MANY = 429


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Row]):
    """The rows of one request, and what became of them."""

    rows: Sequence[Row]
    done: bool = False
    error: Exception | None = None


class JointWrites(Generic[Row]):
    """Never two that tell of the same thing together, so that all is as if each had been recorded after the other.

    Args:
        record: stores rows durably, all or none; blocks.
        thing: what a row tells of.
        bad: what `record` raises for rows that can't be stored; they spoil no other request's.
    """

    def __init__(
        self,
        writes: Writes,
        record: Callable[[Sequence[Row]], None],
        *,
        thing: Callable[[Row], Hashable],
        bad: type[Exception],
    ) -> None:
        self._writes, self._record, self._thing, self._bad = writes, record, thing, bad
        self._waiting: deque[_Waiting[Row]] = deque()  # no more than requests are at work
        self._lock = threading.Lock()

    async def run(self, rows: Sequence[Row], *, deadline: Deadline) -> None:
        """Returns when these rows are durable; raises `bad`, and what `Writes.run` raises."""
        mine = _Waiting(rows)
        with self._lock:
            self._waiting.append(mine)
        try:
            await self._writes.run(partial(self._write, mine), deadline=deadline)
        except Problem as problem:
            if problem.status == TOO_MANY and not self._withdraw(mine):  # it went along with another, and may be stored
                raise not_now(problem, OUT_OF_TIME) from problem
            raise
        finally:
            self._withdraw(mine)

    def _write(self, mine: _Waiting[Row]) -> None:
        if not mine.done:
            self._record_all(self._taken(mine))
        if mine.error is not None:
            raise mine.error

    def _taken(self, mine: _Waiting[Row]) -> list[_Waiting[Row]]:
        """These rows, and as many of the others as may go with them, in the order of their coming."""
        self._withdraw(mine)
        things, taken, rows = {self._thing(row) for row in mine.rows}, [mine], len(mine.rows)
        with self._lock:  # for which the event loop waits, too: so many rows are soon looked at
            while self._waiting and rows + len(self._waiting[0].rows) <= MOST_ROWS:
                also = {self._thing(row) for row in self._waiting[0].rows}
                if not things.isdisjoint(also):
                    break
                things |= also
                rows += len(self._waiting[0].rows)
                taken.append(self._waiting.popleft())
        return taken

    def _withdraw(self, one: _Waiting[Row]) -> bool:
        """Whether it was still waiting."""
        with self._lock:
            if one not in self._waiting:
                return False
            self._waiting.remove(one)
            return True

    def _record_all(self, taken: Sequence[_Waiting[Row]]) -> None:
        try:
            self._record([row for one in taken for row in one.rows])
        except Exception as error:  # noqa: BLE001 - raised again for each of them
            if isinstance(error, self._bad) and len(taken) > 1:
                for one in taken:
                    self._record_all([one])
                return
            for one in taken:
                one.error = error
        for one in taken:
            one.done = True
