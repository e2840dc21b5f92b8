"""What the index costs and what it finds, for a number of made-up vectors: `python -m photostock.index.measure 100000`.

Prints one line of JSON. The vectors are clustered and of few degrees of freedom, as those of texts are.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np

from photostock.index.code_space import Vectors
from photostock.index.segment import Segment
from photostock.index.vectors import VectorIndex
from photostock.ranking import Mask

DIMENSIONS = 384
FREEDOM = 48  # directions in which the texts of a collection differ
CLUSTERS = 2_000
QUERIES = 100
FOUND = 100  # whose recall is told
PAGE = 20  # whose time is told
BATCH = 10_000


def measure(photos: int, *, seed: int = 7) -> dict[str, Any]:
    """Recall@100 and processor time per search on one thread, beside an exact comparison of float32 vectors."""
    faiss.omp_set_num_threads(1)
    index, exact = VectorIndex(dimensions=DIMENSIONS), faiss.IndexFlatIP(DIMENSIONS)
    started_s = time.monotonic()
    for start, vectors in _vectors(photos, seed):
        index.add(range(start, start + len(vectors)), vectors)
        exact.add(vectors)
    index.tidy()
    built_s = time.monotonic() - started_s
    queries = next(_vectors(QUERIES, seed + 1))[1]
    everything, tenth = np.ones(photos, dtype=np.bool_), np.random.default_rng(seed).random(photos) < 0.1
    return {
        "photos": photos,
        "built_s": round(built_s, 1),
        "bytes_per_photo": round(sum(map(_bytes_of, index.segments)) / photos),
        "all": _judged(index, exact, queries, everything),
        "tenth": _judged(index, exact, queries, tenth),
    }


def _judged(index: VectorIndex, exact: faiss.IndexFlatIP, queries: Vectors, allowed: Mask) -> dict[str, float]:
    selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
    found, ours_ms, exact_ms = 0, [], []
    for query in queries:
        started_s = time.thread_time()
        index.search(query, allowed=allowed, limit=PAGE)
        ours_ms.append((time.thread_time() - started_s) * 1000)
        started_s = time.thread_time()
        best = exact.search(query[None], FOUND, params=parameters)[1][0]
        exact_ms.append((time.thread_time() - started_s) * 1000)
        rows, _ = index.search(query, allowed=allowed, limit=FOUND)
        found += len(set(best.tolist()) & set(rows.tolist()))
    return {
        "recall": round(found / (len(queries) * FOUND), 4),
        "p50_ms": round(statistics.median(ours_ms), 3),
        "exact_p50_ms": round(statistics.median(exact_ms), 3),
    }


def _bytes_of(segment: Segment) -> int:
    order = 0 if segment.order is None else segment.order.nbytes
    return len(faiss.serialize_index(segment.index)) + segment.rows.nbytes + segment.alive.nbytes + order


def _vectors(count: int, seed: int) -> Iterator[tuple[int, Vectors]]:
    """Unit vectors [rows, dimensions] with the number of the first; the clusters are the same for every seed."""
    world, dice = np.random.default_rng(0), np.random.default_rng(seed)
    centres, directions = world.normal(size=(CLUSTERS, FREEDOM)), world.normal(size=(FREEDOM, DIMENSIONS))
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        places = centres[dice.integers(0, CLUSTERS, size)] + 0.7 * dice.normal(size=(size, FREEDOM))
        vectors = places @ directions + 0.5 * dice.normal(size=(size, DIMENSIONS))
        yield start, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
