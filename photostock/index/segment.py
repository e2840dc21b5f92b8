"""A part of the index that never changes but for its tombstones: a flat list of codes, or a graph (HNSW) over them.

How it is searched is planned per search. Where most is allowed, what is not is dropped from what was found. Else the
filter goes inside the search: by comparing all that is allowed while that is cheap, for a graph finds .16 of the best
where 1 photo in 100 is allowed; by a wider walk through the graph where much is allowed in a large segment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import faiss
import numpy as np
import numpy.typing as npt

from photostock.index.code_space import Codes, CodeSpace, Vectors
from photostock.ranking import Mask, Rows

NEIGHBOURS = 22  # of a code in the graph; with them a photo takes 585 bytes
BUILT_WITH = 100  # candidates when a code enters the graph (efConstruction)
LOOKED_AT = 200  # candidates of a search in the graph (efSearch), at least
LOOKED_AT_TIMES = 3  # as many candidates as results
COMPARED_PER_CANDIDATE = 50  # codes that could be compared one by one in the time of one candidate of the graph
BLOCK_ROWS = 500  # that enter a graph between two looks at whether to stop
NOBODY = -1  # the row of a place whose photo is gone

Places: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.int32]
Stop: TypeAlias = Callable[[], bool]


class Stopped(Exception):
    """The graph is not needed any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Codes, the row of each, and which of them are alive; a row is alive at one place at most."""

    index: faiss.Index
    codes: Codes  # a view of the index's own memory
    rows: Numbers
    order: Numbers | None  # places by row, unless they are so by themselves
    alive: Mask
    living: int

    @classmethod
    def flat(cls, space: CodeSpace, rows: Rows, codes: Codes) -> Segment:
        index = faiss.IndexScalarQuantizer(
            space.dimensions, faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
        )
        space.prepare(index)
        if len(rows):
            index.add_sa_codes(np.ascontiguousarray(codes))
        return cls.of(index, rows)

    @classmethod
    def graph(cls, space: CodeSpace, rows: Rows, codes: Codes, stop: Stop) -> Segment:
        """Takes long; raises `Stopped` soon after `stop()` is true."""
        eight_bits: Any = faiss.ScalarQuantizer.QT_8bit_uniform
        index = faiss.IndexHNSWSQ(space.dimensions, eight_bits, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILT_WITH
        storage: Any = faiss.downcast_index(index.storage)
        space.prepare(storage)
        index.is_trained = True
        _enter(index, codes, stop)
        return cls.of(index, rows)

    @classmethod
    def of(cls, index: faiss.Index, rows: Rows) -> Segment:
        """Over an index that holds a code for each of these rows; a row of `NOBODY` is dead."""
        numbers = rows.astype(np.int32)
        ascending = len(numbers) < 2 or bool((np.diff(numbers) > 0).all())
        order = None if ascending else np.argsort(numbers, kind="stable").astype(np.int32)
        alive = numbers != NOBODY
        return cls(index, _codes_of(index), numbers, order, alive, int(np.count_nonzero(alive)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_graph(self) -> bool:
        return isinstance(self.index, faiss.IndexHNSW)

    def without(self, rows: Rows) -> Segment:
        places = self.places_of(rows)
        places = places[places >= 0]
        if not len(places):
            return self
        alive = self.alive.copy()
        alive[places] = False
        return replace(self, alive=alive, living=self.living - len(places))

    def places_of(self, rows: Rows) -> Places:
        """Where each of these rows is alive, or -1."""
        at = np.searchsorted(self.rows, rows, sorter=self.order)
        inside = np.minimum(at, len(self.rows) - 1)
        places: Places = (inside if self.order is None else self.order[inside]).astype(np.int64)
        there = (at < len(self.rows)) & (self.rows[places] == rows) & self.alive[places]
        return np.where(there, places, -1)

    def living_parts(self) -> tuple[Rows, Codes]:
        if self.living == len(self):
            return self.rows.astype(np.int64), self.codes
        return self.rows[self.alive].astype(np.int64), self.codes[self.alive]

    def extended(self, rows: Rows, codes: Codes, stop: Stop) -> Segment:
        """This graph with more in it, as another one; takes long, see `graph`."""
        index: faiss.IndexHNSW = faiss.clone_index(self.index)  # type: ignore[assignment]
        _enter(index, codes, stop)
        return Segment.of(index, np.concatenate([np.where(self.alive, self.rows, NOBODY), rows]))

    def search(self, query: Vectors, allowed: Mask, wanted: int, *, mostly_allowed: bool) -> tuple[Rows, Vectors]:
        """About the `wanted` nearest of the allowed rows, in no order, and their scores."""
        places = self._found_and_allowed(query, allowed, wanted) if mostly_allowed else None
        if places is None:
            places = self._found_among(query, self._places_allowed(allowed), wanted)
        return self.rows[places].astype(np.int64), CodeSpace.scores(self.codes[places], query)

    def _found_and_allowed(self, query: Vectors, allowed: Mask, wanted: int) -> Places | None:
        """Without a filter inside the search; None if then too few are left."""
        asked = min(len(self), wanted + wanted // 4 + 8)
        places = self._nearest(query, asked, None, max(LOOKED_AT, LOOKED_AT_TIMES * asked))
        rows = self.rows[places]
        kept = self.alive[places] & (rows < len(allowed))
        kept[kept] = allowed[rows[kept]]
        enough = int(np.count_nonzero(kept)) >= wanted or asked == len(self)
        return places[kept] if enough and len(places) == asked else None

    def _found_among(self, query: Vectors, among: Mask, wanted: int) -> Places:
        count = int(np.count_nonzero(among))
        if (asked := min(wanted, count)) == 0:
            return np.empty(0, dtype=np.int64)
        selector = faiss.IDSelectorBitmap(np.packbits(among, bitorder="little"))  # type: ignore[call-arg, arg-type]
        looked_at = max(LOOKED_AT, LOOKED_AT_TIMES * asked) * len(self) // count
        if self.is_graph and looked_at * COMPARED_PER_CANDIDATE < count:
            places = self._nearest(query, asked, selector, looked_at)
            if len(places) == asked:
                return places
        return self._compared(query, asked, selector)

    def _places_allowed(self, allowed: Mask) -> Mask:
        first, last = (int(self.rows[0]), int(self.rows[-1])) if len(self) else (0, -1)
        if self.order is None and last - first + 1 == len(self) and last < len(allowed):
            return self.alive & allowed[first : last + 1]
        places = self.alive & (self.rows < len(allowed))
        places[places] = allowed[self.rows[places]]
        return places

    def _nearest(self, query: Vectors, asked: int, selector: faiss.IDSelector | None, looked_at: int) -> Places:
        if not self.is_graph:
            return self._compared(query, asked, selector)
        parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=looked_at)  # type: ignore[attr-defined]
        places: Places = self.index.search(query[None], asked, params=parameters)[1][0]
        return places[places >= 0]

    def _compared(self, query: Vectors, asked: int, selector: faiss.IDSelector | None) -> Places:
        """The nearest by comparison with all that the selector lets through."""
        if asked == 0:
            return np.empty(0, dtype=np.int64)
        flat = faiss.downcast_index(self.index.storage) if isinstance(self.index, faiss.IndexHNSW) else self.index
        parameters = None if selector is None else faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        places: Places = flat.search(query[None], asked, params=parameters)[1][0]
        return places


def joined(segments: Sequence[Segment]) -> tuple[Rows, Codes]:
    """All that is alive in them."""
    parts = [segment.living_parts() for segment in segments]
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([codes for _, codes in parts])


def _enter(index: faiss.IndexHNSW, codes: Codes, stop: Stop) -> None:
    for start in range(0, len(codes), BLOCK_ROWS):
        if stop():
            raise Stopped
        index.add(CodeSpace.values_of(codes[start : start + BLOCK_ROWS]))


def _codes_of(index: faiss.Index) -> Codes:
    storage: Any = faiss.downcast_index(index.storage) if isinstance(index, faiss.IndexHNSW) else index
    if index.ntotal == 0:
        return np.empty((0, index.d), dtype=np.uint8)
    flat: Codes = faiss.rev_swig_ptr(storage.codes.data(), index.ntotal * index.d)
    return flat.reshape(index.ntotal, index.d)
