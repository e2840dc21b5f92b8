"""Nearest vectors by inner product, on FAISS, while photos come and go.

Readers work on an immutable snapshot and never wait: FAISS itself crashes when it is searched while it is changed.
A snapshot is at most one graph and a few flat segments, each much larger than the next. A writer adds a small segment,
merges small neighbours of about the same size, and swaps the new snapshot in. What takes long, the graph, is made by
`tidy` in the background: meanwhile what went into it is still served by the segments that it was made from.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeAlias

import faiss
import numpy as np

from photostock.index.code_space import Codes, CodeSpace, Vectors
from photostock.index.segment import Segment, Stop, Stopped, joined
from photostock.ranking import Mask, Rows, best

INDEX_VERSION = "2"  # of the way results are found and ordered
GRAPH_FROM = 20_000  # vectors outside the graph that are worth the work of making it
MERGED_AT_ONCE = 8_192  # vectors that an `add` copies at most: about a millisecond
ROUNDING = 2e-6  # by which FAISS's sums and ours may differ

Snapshot: TypeAlias = tuple[Segment, ...]


class VectorIndex:
    """Vectors by row number: `search` and `scores_of` from any number of threads, changes one at a time.

    Args:
        graph_from: fewer vectors than this are searched one by one, and so exactly.
    """

    def __init__(self, *, dimensions: int, graph_from: int = GRAPH_FROM) -> None:
        self._space = CodeSpace(dimensions)
        self._graph_from = graph_from
        self._segments: Snapshot = ()  # the graph first, then from large to small; replaced in one step
        self.revision = 0  # grows after every change that a search can see
        self._taken = 0  # leading segments of which a graph is being made
        self._gone: list[Rows] = []  # what was removed or replaced meanwhile
        self._writer, self._tidying = threading.Lock(), threading.Lock()

    def __len__(self) -> int:
        return sum(segment.living for segment in self._segments)

    @property
    def dimensions(self) -> int:
        return self._space.dimensions

    @property
    def segments(self) -> Snapshot:
        """What a search that begins now will look at."""
        return self._segments

    @property
    def graph(self) -> Segment | None:
        """The large part, if there is one: what is worth to be kept in a file."""
        segments = self._segments
        return segments[0] if segments and segments[0].is_graph else None

    def add(self, rows: Sequence[int], vectors: Vectors) -> None:
        """Adds unit-length vectors [rows, dimensions]; the vector of a row that is there already is replaced."""
        numbers = np.array(rows, dtype=np.int64)  # a copy: the caller's may change
        self._refuse_bad(numbers, vectors)
        if len(numbers):
            self._change(numbers, (Segment.flat(self._space, numbers, self._space.encode(vectors)),))

    def remove(self, rows: Sequence[int]) -> None:
        """Hides rows at once; their memory is given back by a later merge. Unknown rows are ignored."""
        self._change(np.asarray(rows, dtype=np.int64), ())

    def adopt(self, graph: Segment) -> None:
        """Takes over a graph that was made earlier, into an index that is empty."""
        with self._writer:
            if self._segments or graph.codes.shape[1] != self.dimensions:
                raise ValueError("only an empty index of as many dimensions takes over a graph")
            self._replace((graph,))

    def search(self, vector: Vectors, *, allowed: Mask, limit: int) -> tuple[Rows, Vectors]:
        """The nearest of the allowed rows and their scores, best first, equal ones by row.

        Args:
            vector: float32 [dimensions].
            allowed: by row; a row beyond its end is not allowed.
        """
        # OpenMP keeps this number for each thread apart, so it must be set in the thread that searches. With one
        # thread per search, searches side by side don't fight for cores.
        faiss.omp_set_num_threads(1)
        query, segments = self._space.query(vector), self._segments
        mostly_allowed = 5 * int(np.count_nonzero(allowed)) >= 4 * sum(len(segment) for segment in segments)
        wanted = limit + 1
        while True:
            parts = [segment.search(query, allowed, wanted, mostly_allowed=mostly_allowed) for segment in segments]
            rows, scores = best(*_together(parts), limit=wanted)
            # FAISS keeps any of those that tie for the last place: ask for more until all of them are here.
            if limit == 0 or len(rows) < wanted or scores[wanted - 1] < scores[limit - 1] - ROUNDING:
                return rows[:limit], scores[:limit]
            wanted *= 2

    def scores_of(self, vector: Vectors, rows: Sequence[int]) -> Vectors:
        """The same scores as `search` gives, for these rows in this order; NaN for a row that isn't there."""
        numbers = np.asarray(rows, dtype=np.int64)
        scores = np.full(len(numbers), np.nan, dtype=np.float32)
        query = self._space.query(vector)
        for segment in self._segments:
            places = segment.places_of(numbers)
            scores[places >= 0] = CodeSpace.scores(segment.codes[places[places >= 0]], query)
        return scores

    def cosines_with(self, others: Codes, rows: Rows) -> Vectors:
        """Those of other vectors, by their codes, with what is kept: float32 [rows, others], NaN where nothing is."""
        cosines = np.full((len(rows), len(others)), np.nan, dtype=np.float32)
        for segment in self._segments:
            places = segment.places_of(rows)
            cosines[places >= 0] = self._space.cosines(segment.codes[places[places >= 0]], others)
        return cosines

    def vector_of(self, row: int) -> Vectors | None:
        """About the vector of this row, as its code has kept it; None if it isn't there."""
        for segment in self._segments:
            [place] = segment.places_of(np.array([row]))
            if place >= 0:
                vector: Vectors = self._space.decode(segment.codes[place : place + 1])[0]
                return vector
        return None

    def codes_of(self, vectors: Vectors) -> Codes:
        """What is kept of such vectors."""
        return self._space.encode(vectors)

    def tidy(self, stop: Stop = lambda: False) -> bool:
        """Makes or extends the graph if that is due; False if not, or if `stop()` became true. May take minutes."""
        with self._tidying:
            with self._writer:
                taken = self._segments
                if not self._due(taken):
                    return False
                self._taken, self._gone = len(taken), []
            merged: Segment | None = None
            try:
                merged = self._merged(taken, stop)
            except Stopped:
                return False
            finally:
                with self._writer:
                    self._put(merged)
            return True

    def _put(self, merged: Segment | None) -> None:
        if merged is not None:
            for rows in self._gone:
                merged = merged.without(rows)
            self._replace((merged, *self._segments[self._taken :]))
        self._taken, self._gone = 0, []

    def _due(self, segments: Snapshot) -> bool:
        graph = segments[0] if segments and segments[0].is_graph else None
        outside = sum(segment.living for segment in segments) - (graph.living if graph else 0)
        return outside >= max(self._graph_from, len(graph) // 32 if graph else 0) or _much_is_dead(graph)

    def _merged(self, segments: Snapshot, stop: Stop) -> Segment:
        faiss.omp_set_num_threads(1)  # the other cores are for searches
        graph, flat = segments[0], segments[1:]
        if not graph.is_graph or _much_is_dead(graph):
            return Segment.graph(self._space, *joined(segments), stop)
        return graph.extended(*joined(flat), stop)

    def _change(self, rows: Rows, added: Snapshot) -> None:
        with self._writer:
            segments = [segment.without(rows) for segment in self._segments]
            if self._taken:
                self._gone.append(rows)
            self._replace((*segments[: self._taken], *self._tidied([*segments[self._taken :], *added])))

    def _replace(self, segments: Snapshot) -> None:
        self._segments = segments
        self.revision += 1

    def _tidied(self, segments: Sequence[Segment]) -> Snapshot:
        """Without mostly dead small segments, and each of them at least twice as large as the next."""
        tidy: list[Segment] = []
        for segment in segments:
            worn = not segment.is_graph and 2 * segment.living < len(segment) <= MERGED_AT_ONCE
            tidy.append(Segment.flat(self._space, *segment.living_parts()) if worn else segment)
            while len(tidy) > 1 and _belong_together(*tidy[-2:]):
                tidy[-2:] = [Segment.flat(self._space, *joined(tidy[-2:]))]
        return tuple(segment for segment in tidy if segment.living or segment.is_graph)

    def _refuse_bad(self, rows: Rows, vectors: Vectors) -> None:
        if vectors.dtype != np.float32 or vectors.shape != (len(rows), self.dimensions):
            raise ValueError(f"{len(rows)} rows need float32 vectors of {self.dimensions} numbers each")
        if len(rows) and (rows.min() < 0 or len(np.unique(rows)) != len(rows)):
            raise ValueError("row numbers are different and not negative")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds a number that is not finite")


def _belong_together(larger: Segment, smaller: Segment) -> bool:
    if larger.is_graph or larger.living + smaller.living > MERGED_AT_ONCE:
        return False
    return len(larger) < 2 * len(smaller)


def _much_is_dead(graph: Segment | None) -> bool:
    return graph is not None and 3 * graph.living < 2 * len(graph)


def _together(parts: Sequence[tuple[Rows, Vectors]]) -> tuple[Rows, Vectors]:
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([values for _, values in parts])
