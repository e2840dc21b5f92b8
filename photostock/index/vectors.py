"""Nearest vectors by exact inner product, on FAISS, while photos come and go.

Readers work on an immutable snapshot and never wait: FAISS itself crashes when it is searched while it is changed.
A snapshot is a large sorted base and a small delta of what was added since, both with tombstones; a writer makes the
next snapshot aside and swaps it in, and now and then merges delta and base. Filters apply inside the search: a filter
on what was found would leave 11 of 100 results where 1 in 10 photos is allowed.
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
SMALLEST_MERGE = 2048  # rows of delta; below this a merge isn't worth its copy of the base

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


@dataclass(frozen=True, slots=True)
class _Snapshot:
    base: _Segment
    delta: _Segment


class VectorIndex:
    """Vectors by row number: `search` and `scores_of` from any number of threads, `add` and `remove` one at a time."""

    def __init__(self, *, dimensions: int, merge_rows: int = SMALLEST_MERGE) -> None:
        self._dimensions = dimensions
        self._merge_rows = merge_rows
        empty = _Segment.of(np.empty(0, dtype=np.int64), np.empty((0, dimensions), dtype=np.float32))
        self._snapshot = _Snapshot(empty, empty)
        self._writer = threading.Lock()

    def __len__(self) -> int:
        snapshot = self._snapshot
        return int(np.count_nonzero(snapshot.base.alive) + np.count_nonzero(snapshot.delta.alive))

    def add(self, rows: Sequence[int], vectors: Vectors) -> None:
        """Adds unit-length vectors [rows, dimensions]; the vector of a row that is there already is replaced."""
        numbers = np.asarray(rows, dtype=np.int64)
        self._refuse_bad(numbers, vectors)
        with self._writer:
            base, delta = self._snapshot.base.without(numbers), self._snapshot.delta.without(numbers)
            old_rows, old_vectors = delta.living()
            grown = _Segment.of(np.concatenate([old_rows, numbers]), np.concatenate([old_vectors, vectors]))
            self._swap(base, grown)

    def remove(self, rows: Sequence[int]) -> None:
        """Hides rows at once; their memory is given back by a later merge. Unknown rows are ignored."""
        numbers = np.asarray(rows, dtype=np.int64)
        with self._writer:
            self._swap(self._snapshot.base.without(numbers), self._snapshot.delta.without(numbers))

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
        snapshot, wanted = self._snapshot, limit + 1
        while True:
            parts = (snapshot.base, snapshot.delta)
            rows, scores = best(*_joined([part.search(query, allowed, wanted) for part in parts]), limit=wanted)
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

    def _swap(self, base: _Segment, delta: _Segment) -> None:
        total, dead = len(base.rows), int(np.count_nonzero(~base.alive))
        # Every addition copies the delta and every merge the base, so their sizes should grow as n and n².
        if len(delta.rows) >= max(self._merge_rows, 32 * int(total**0.5)) or 4 * dead > total:
            rows, vectors = _joined([base.living(), delta.living()])
            order = np.argsort(rows)
            base, delta = _Segment.of(rows[order], vectors[order]), _Segment.of(rows[:0], vectors[:0])
        self._snapshot = _Snapshot(base, delta)


def _joined(parts: Sequence[tuple[Rows, Vectors]]) -> tuple[Rows, Vectors]:
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([values for _, values in parts])
