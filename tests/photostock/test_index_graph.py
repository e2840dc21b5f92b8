"""The graph of a large index: made in the background, as good as a full comparison, never starved by a filter."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
import pytest

from photostock.index.vectors import VectorIndex

DIMENSIONS = 64
COUNT = 4_000


def clustered(count: int, *, seed: int = 1) -> npt.NDArray[np.float32]:
    """Unit vectors around 100 centres, as texts about the same things are."""
    dice = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(100, DIMENSIONS))
    vectors = centres[dice.integers(0, 100, count)] + 0.7 * dice.normal(size=(count, DIMENSIONS))
    unit: npt.NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


VECTORS_SEED = 3


def filled(count: int = COUNT, *, graph_from: int = 1_000) -> tuple[VectorIndex, npt.NDArray[np.float32]]:
    vectors = clustered(count, seed=VECTORS_SEED)
    index = VectorIndex(dimensions=DIMENSIONS, graph_from=graph_from)
    for start in range(0, count, 500):
        index.add(range(start, min(start + 500, count)), vectors[start : start + 500])
    return index, vectors


def recall(index: VectorIndex, vectors: npt.NDArray[np.float32], allowed: npt.NDArray[np.bool_], limit: int) -> float:
    found = 0
    queries = clustered(50, seed=9)
    rows_allowed = np.flatnonzero(allowed)
    for query in queries:
        best = rows_allowed[np.argsort(-(vectors[rows_allowed] @ query))[:limit]]
        rows, _ = index.search(query, allowed=allowed, limit=limit)
        assert len(rows) == len(best)
        found += len(set(rows.tolist()) & set(best.tolist()))
    return found / (len(queries) * limit)


def test_a_graph_is_made_only_when_it_is_worth_it() -> None:
    index, _ = filled(900)
    assert not index.tidy()
    assert index.graph is None


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.1, 0.01])
def test_whatever_is_allowed_the_best_of_it_are_found(share: float) -> None:
    index, vectors = filled()
    assert index.tidy()
    assert index.graph is not None
    allowed = np.random.default_rng(4).random(COUNT) < share
    assert recall(index, vectors, allowed, limit=10) >= 0.95


def test_a_filter_against_the_query_does_not_starve_the_graph() -> None:
    """Half of all is allowed, and it is the half that is farthest away: a walk through the graph ends before it."""
    index, vectors = filled()
    index.tidy()
    query = vectors[0]
    allowed = np.zeros(COUNT, dtype=np.bool_)
    allowed[np.argsort(vectors @ query)[: COUNT // 2]] = True
    rows, _ = index.search(query, allowed=allowed, limit=100)
    assert len(rows) == 100
    assert allowed[rows].all()


def test_what_changes_while_the_graph_is_made_is_in_the_result() -> None:
    index, vectors = filled()
    changed = threading.Event()

    def change() -> bool:
        if not changed.is_set():
            changed.set()
            index.remove([1, 2, 3])
            index.add([4], -vectors[4:5])
            index.add([COUNT], vectors[5:6])
            assert index.search(vectors[5], allowed=np.ones(COUNT + 1, dtype=np.bool_), limit=2)[0].tolist() == [
                5,
                COUNT,
            ]
        return False

    assert index.tidy(change)
    assert len(index) == COUNT + 1 - 3
    rows, scores = index.search(vectors[4], allowed=np.ones(COUNT + 1, dtype=np.bool_), limit=COUNT)
    assert {1, 2, 3}.isdisjoint(rows.tolist())
    assert rows[-1] == 4
    assert np.isnan(index.scores_of(vectors[0], [1])).all()
    assert len(set(rows.tolist())) == len(rows)
    assert np.all(np.diff(scores) <= 0)


def test_a_graph_grows_and_is_made_anew_when_much_of_it_is_dead() -> None:
    index, vectors = filled()
    index.tidy()
    more = clustered(1_500, seed=5)
    index.add(range(COUNT, COUNT + 1_500), more)
    assert index.tidy()
    assert index.graph is not None
    assert len(index.graph) == COUNT + 1_500
    assert recall(index, np.concatenate([vectors, more]), np.ones(COUNT + 1_500, dtype=np.bool_), 10) >= 0.95
    index.remove(range(0, COUNT, 2))
    assert index.tidy()
    assert len(index.graph) == COUNT // 2 + 1_500
    assert not index.tidy()


def test_a_graph_that_is_given_up_leaves_everything_as_it_was() -> None:
    index, vectors = filled()
    assert not index.tidy(lambda: True)
    assert index.graph is None
    assert recall(index, vectors, np.ones(COUNT, dtype=np.bool_), limit=10) >= 0.95
    assert index.tidy()
