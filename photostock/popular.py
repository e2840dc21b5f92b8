"""The last tier: photos that most people like. Plain arrays in memory; it has no reason to fail."""

from __future__ import annotations

import math
import threading

import numpy as np

from photostock.ranking import Mask, Rows, best


class PopularityOrder:
    """Popularity by row; `best` from any number of threads, `add` from any one at a time."""

    def __init__(self) -> None:
        self._buffer = np.zeros(1024)
        self._popularity = self._buffer[:0]  # what readers see: one reference, replaced in one step
        self._writer = threading.Lock()

    def add(self, row: int, popularity: float) -> None:
        """Appends a row; whether it may be shown is for the filter to say."""
        with self._writer:
            if row < len(self._popularity):
                raise ValueError(f"row {row} is taken: a photo that changes gets a new row")
            if not math.isfinite(popularity):
                raise ValueError(f"popularity {popularity} is not a finite number")
            if row >= len(self._buffer):
                self._buffer = np.concatenate([self._buffer, np.zeros(row + 1)])
            self._buffer[row] = popularity
            self._popularity = self._buffer[: row + 1]

    def best(self, allowed: Mask, *, limit: int) -> Rows:
        """The most popular of the allowed rows, best first, equal ones by row."""
        popularity = self._popularity
        rows = np.flatnonzero(allowed[: len(popularity)])
        return best(rows, popularity[rows], limit=limit)[0]
