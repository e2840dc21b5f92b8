"""The last tier: photos that most people like. Plain arrays in memory; it has no reason to fail."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.ranking import Mask, Rows, best

MOST_UNRANKED = 4_096  # rows that came since the others were put in order, or a quarter of these
FIRST_BLOCK = 4  # times as many rows as are wanted; each block after it is twice as large

Floats: TypeAlias = npt.NDArray[np.float64]


class _Order(NamedTuple):
    """What readers see: one reference, replaced in one step."""

    popularity: Floats  # by row
    ranked: Rows  # the first so many rows, most popular first, equal ones by row


class PopularityOrder:
    """Popularity by row; `best` from any number of threads, `add` from any one at a time."""

    def __init__(self) -> None:
        self._buffer = np.zeros(1024)
        self._order = _Order(self._buffer[:0], np.empty(0, dtype=np.int64))
        self._writer = threading.Lock()

    def add(self, row: int, popularity: float) -> None:
        """Appends a row; whether it may be shown is for the filter to say."""
        with self._writer:
            known, ranked = self._order
            if row < len(known):
                raise ValueError(f"row {row} is taken: a photo that changes gets a new row")
            if not math.isfinite(popularity):
                raise ValueError(f"popularity {popularity} is not a finite number")
            if row >= len(self._buffer):
                self._buffer = np.concatenate([self._buffer, np.zeros(row + 1)])
            self._buffer[row] = popularity
            known = self._buffer[: row + 1]
            if len(known) - len(ranked) > max(MOST_UNRANKED, len(ranked) // 4):
                ranked = np.argsort(-known, kind="stable")
            self._order = _Order(known, ranked)

    def best(self, allowed: Mask, *, limit: int) -> Rows:
        """The most popular of the allowed rows, best first, equal ones by row; quick where much is allowed."""
        popularity, ranked = self._order
        allowed = allowed[: len(popularity)]
        since = np.flatnonzero(allowed[len(ranked) :]) + len(ranked)
        rows = np.concatenate([_first(ranked, allowed, limit), since])
        return best(rows, popularity[rows], limit=limit)[0]


def _first(ranked: Rows, allowed: Mask, limit: int) -> Rows:
    """The first `limit` allowed ones, and maybe some more; a row beyond the mask is not allowed."""
    found: list[Rows] = [np.empty(0, dtype=np.int64)]
    start, size = 0, FIRST_BLOCK * limit
    while start < len(ranked) and sum(map(len, found)) < limit:
        block = ranked[start : start + size]
        block = block[block < len(allowed)]
        found.append(block[allowed[block]])
        start, size = start + size, 2 * size
    return np.concatenate(found)
