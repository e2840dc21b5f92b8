"""Nearest vectors by exact inner product, on FAISS, while photos come and go.

Readers work on an immutable snapshot and never wait: FAISS itself crashes when it is searched while it is changed.
A snapshot is a few segments of vectors with tombstones, each much larger than the next. A writer adds a small segment,
merges neighbours of about the same size, and swaps the new snapshot in: so a vector is copied a few times in its life,
not at every change. Filters apply inside the search: a filter on what was found would leave 11 of 100 results where
1 in 10 photos is allowed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import faiss
import numpy as np
import numpy.typing as npt

from photostock.ranking import Mask, Rows, best

INDEX_VERSION = "1"  # of the way results are found and ordered

Vectors: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Segment:
    """Vectors that never change, the row of each, and which of them are alive."""

    index: faiss.IndexFlatIP
    rows: Rows
    alive: Mask

    @classmethod
    def of(cls, rows: Rows, vectors: Vectors) -> _Segment:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls(index, rows, np.ones(len(rows), dtype=np.bool_))

    @property
    def living_rows(self) -> int:
        return int(np.count_nonzero(self.alive))

    def without(self, rows: Rows) -> _Segment:
        gone = self.alive & np.isin(self.rows, rows)
        return replace(self, alive=self.alive & ~gone) if gone.any() else self

    def living(self) -> tuple[Rows, Vectors]:
        return self.rows[self.alive], self.index.reconstruct_n(0, len(self.rows))[self.alive]

    def search(self, vector: Vectors, allowed: Mask, limit: int) -> tuple[Rows, Vectors]:
        """Up to `limit` allowed rows and their scores, best first."""
        known = self.rows < len(allowed)
        places = self.alive & known
        places[known] &= allowed[self.rows[known]]
        found = min(limit, int(np.count_nonzero(places)))
        if found == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        selector = faiss.IDSelectorBitmap(np.packbits(places, bitorder="little"))  # type: ignore[call-arg, arg-type]
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        scores, at = self.index.search(vector, found, params=parameters)
        return self.rows[at[0]], scores[0]


class VectorIndex:
    """Vectors by row number: `search` and `scores_of` from any number of threads, `add` and `remove` one at a time."""

    def __init__(self, *, dimensions: int) -> None:
        self._dimensions = dimensions
        self._segments: tuple[_Segment, ...] = ()  # the snapshot, largest first; replaced in one step
        self._writer = threading.Lock()

    def __len__(self) -> int:
        return sum(segment.living_rows for segment in self._segments)

    def add(self, rows: Sequence[int], vectors: Vectors) -> None:
        """Adds unit-length vectors [rows, dimensions]; the vector of a row that is there already is replaced."""
        numbers = np.array(rows, dtype=np.int64)  # a copy, like FAISS's: the caller's may change
        self._refuse_bad(numbers, vectors)
        with self._writer:
            kept = [segment.without(numbers) for segment in self._segments]
            self._segments = _tidied([*kept, _Segment.of(numbers, vectors)])

    def remove(self, rows: Sequence[int]) -> None:
        """Hides rows at once; their memory is given back by a later merge. Unknown rows are ignored."""
        numbers = np.asarray(rows, dtype=np.int64)
        with self._writer:
            self._segments = _tidied([segment.without(numbers) for segment in self._segments])

    def search(self, vector: Vectors, *, allowed: Mask, limit: int) -> tuple[Rows, Vectors]:
        """The nearest of the allowed rows and their scores, best first, equal ones by row.

        Args:
            vector: float32 [dimensions].
            allowed: by row; a row beyond its end is not allowed.
        """
        # OpenMP keeps this number for each thread apart, so it must be set in the thread that searches. With one
        # thread per search, searches side by side don't fight for cores.
        faiss.omp_set_num_threads(1)
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, self._dimensions)
        segments, wanted = self._segments, limit + 1
        while True:
            rows, scores = _joined([segment.search(query, allowed, wanted) for segment in segments])
            rows, scores = best(rows, scores, limit=wanted)
            # FAISS keeps any of those that tie for the last place: ask for more until all of them are here.
            if limit == 0 or len(rows) < wanted or scores[wanted - 1] < scores[limit - 1]:
                return rows[:limit], scores[:limit]
            wanted *= 2

    def scores_of(self, vector: Vectors, rows: Sequence[int]) -> Vectors:
        """The same scores as `search` gives, for these rows in this order; NaN for a row that isn't there."""
        numbers = np.asarray(rows, dtype=np.int64)
        scores = np.full(len(numbers), np.nan, dtype=np.float32)
        if len(numbers):
            wanted = np.zeros(int(numbers.max()) + 1, dtype=np.bool_)
            wanted[numbers] = True
            found, known = self.search(vector, allowed=wanted, limit=len(numbers))
            by_row = dict(zip(found.tolist(), known.tolist(), strict=True))
            scores[:] = [by_row.get(row, np.nan) for row in numbers.tolist()]
        return scores

    def _refuse_bad(self, rows: Rows, vectors: Vectors) -> None:
        if vectors.dtype != np.float32 or vectors.shape != (len(rows), self._dimensions):
            raise ValueError(f"{len(rows)} rows need float32 vectors of {self._dimensions} numbers each")
        if len(rows) and (rows.min() < 0 or len(np.unique(rows)) != len(rows)):
            raise ValueError("row numbers are different and not negative")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds a number that is not finite")


def _tidied(segments: Sequence[_Segment]) -> tuple[_Segment, ...]:
    """Without mostly dead segments, and each at least twice as large as the next."""
    tidy: list[_Segment] = []
    for segment in segments:
        tidy.append(segment if 2 * segment.living_rows >= len(segment.rows) else _Segment.of(*segment.living()))
        while len(tidy) > 1 and len(tidy[-2].rows) < 2 * len(tidy[-1].rows):
            smaller, larger = tidy.pop(), tidy.pop()
            tidy.append(_Segment.of(*_joined([larger.living(), smaller.living()])))
    return tuple(segment for segment in tidy if len(segment.rows))


def _joined(parts: Sequence[tuple[Rows, Vectors]]) -> tuple[Rows, Vectors]:
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([values for _, values in parts])
