"""The vector index: filtered inside the search, calm while it is changed, and as good as a full comparison."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from photostock.index.vectors import VectorIndex

DIMENSIONS = 64
CLOSE = 0.01  # what 8 bits may cost a score here; with 384 dimensions it is less


def unit_vectors(count: int, *, seed: int = 1) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSIONS))
    unit: npt.NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def everything(count: int) -> npt.NDArray[np.bool_]:
    return np.ones(count, dtype=np.bool_)


def filled(vectors: npt.NDArray[np.float32], *, batch: int = 25) -> VectorIndex:
    index = VectorIndex(dimensions=DIMENSIONS)
    for start in range(0, len(vectors), batch):
        rows = range(start, min(start + batch, len(vectors)))
        index.add(rows, vectors[rows.start : rows.stop])
    return index


def test_it_finds_what_a_full_comparison_of_what_is_kept_finds() -> None:
    vectors = unit_vectors(300)
    index = filled(vectors)
    for query in unit_vectors(20, seed=2):
        rows, scores = index.search(query, allowed=everything(300), limit=10)
        kept = index.scores_of(query, range(300))
        assert rows.tolist() == np.argsort(-kept, kind="stable")[:10].tolist()
        np.testing.assert_allclose(scores, (vectors @ query)[rows], atol=CLOSE)


def test_vectors_of_any_shape_fit_without_training() -> None:
    """Each alone in its dimension, and all in the same direction: what the first vectors were decides nothing."""
    axes = np.eye(DIMENSIONS, dtype=np.float32)
    alike = np.full((1, DIMENSIONS), DIMENSIONS**-0.5, dtype=np.float32)
    index = filled(np.concatenate([alike, axes, -axes]))
    for row, vector in enumerate([alike[0], *axes]):
        rows, scores = index.search(vector, allowed=everything(200), limit=1)
        assert rows.tolist() == [row]
        assert scores[0] == pytest.approx(1, abs=CLOSE)


def test_a_filter_never_starves_the_results() -> None:
    vectors = unit_vectors(300)
    index = filled(vectors)
    query = vectors[0]
    farthest = np.argsort(vectors @ query)[:5]
    allowed = np.zeros(300, dtype=np.bool_)
    allowed[farthest] = True
    rows, _ = index.search(query, allowed=allowed, limit=5)
    assert sorted(rows.tolist()) == sorted(farthest.tolist())


def test_rows_beyond_the_mask_are_not_allowed() -> None:
    index = filled(unit_vectors(100))
    rows, _ = index.search(unit_vectors(1)[0], allowed=everything(10), limit=100)
    assert sorted(rows.tolist()) == list(range(10))


def test_equal_scores_are_ordered_by_row_even_at_the_last_place() -> None:
    index = VectorIndex(dimensions=DIMENSIONS)
    same = unit_vectors(1)
    for row in (7, 3, 9, 1, 8, 2, 0):
        index.add([row], same)
    rows, scores = index.search(same[0], allowed=everything(10), limit=3)
    assert rows.tolist() == [0, 1, 2]
    assert len(set(scores.tolist())) == 1


def test_a_removed_row_is_gone_and_a_replaced_one_has_its_new_vector() -> None:
    vectors = unit_vectors(200)
    index = filled(vectors)
    index.remove([5, 150, 999])
    index.add([6], -vectors[6:7])
    rows, scores = index.search(vectors[6], allowed=everything(200), limit=200)
    assert len(index) == len(rows) == 198
    assert {5, 150}.isdisjoint(rows.tolist())
    assert rows[-1] == 6
    assert scores[-1] == pytest.approx(-1, abs=CLOSE)


def test_scores_of_rows_are_the_scores_of_the_search() -> None:
    vectors = unit_vectors(200)
    index = filled(vectors)
    rows, scores = index.search(vectors[0], allowed=everything(200), limit=50)
    again = index.scores_of(vectors[0], rows[::-1].tolist())
    assert again.tobytes() == scores[::-1].copy().tobytes()
    assert np.isnan(index.scores_of(vectors[0], [0, 5000])).tolist() == [False, True]
    assert index.scores_of(vectors[0], []).shape == (0,)


def test_results_do_not_depend_on_the_history_of_changes() -> None:
    vectors = unit_vectors(200)
    fresh, worn = filled(vectors), filled(vectors, batch=7)
    worn.remove(range(0, 200, 3))
    worn.add(range(0, 200, 3), vectors[::3])
    for query in unit_vectors(5, seed=3):
        a, b = (index.search(query, allowed=everything(200), limit=20) for index in (fresh, worn))
        assert a[0].tolist() == b[0].tolist()
        assert a[1].tobytes() == b[1].tobytes()


def test_an_empty_index_and_a_limit_of_zero_give_nothing() -> None:
    empty = VectorIndex(dimensions=DIMENSIONS)
    assert empty.search(unit_vectors(1)[0], allowed=everything(5), limit=5)[0].tolist() == []
    assert filled(unit_vectors(9)).search(unit_vectors(1)[0], allowed=everything(9), limit=0)[0].tolist() == []


@pytest.mark.parametrize(
    ("rows", "vectors"),
    [
        ([0], np.zeros((1, DIMENSIONS + 1), dtype=np.float32)),
        ([0], np.zeros((1, DIMENSIONS), dtype=np.float64)),
        ([0, 1], np.zeros((1, DIMENSIONS), dtype=np.float32)),
        ([-1], np.zeros((1, DIMENSIONS), dtype=np.float32)),
        ([4, 4], np.zeros((2, DIMENSIONS), dtype=np.float32)),
        ([0], np.full((1, DIMENSIONS), np.nan, dtype=np.float32)),
    ],
)
def test_what_does_not_fit_is_refused(rows: list[int], vectors: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match=r"vector|row numbers"):
        VectorIndex(dimensions=DIMENSIONS).add(rows, vectors)


def test_searches_stay_right_while_rows_come_and_go() -> None:
    """Rows 0 to 99 stay, the others are added and removed all the time, with merges in between."""
    vectors = unit_vectors(400)
    index = filled(vectors[:100])
    lasting = np.zeros(400, dtype=np.bool_)
    lasting[:100] = True
    expected = {row: index.search(vectors[row], allowed=lasting, limit=5)[0].tolist() for row in range(20)}
    stopped = threading.Event()

    def search() -> int:
        searches = 0
        while not stopped.is_set():
            for row, best in expected.items():
                assert index.search(vectors[row], allowed=lasting, limit=5)[0].tolist() == best
                found, scores = index.search(vectors[row], allowed=everything(400), limit=5)
                np.testing.assert_allclose(scores, vectors[found] @ vectors[row], atol=CLOSE)
                searches += 2
        return searches

    with ThreadPoolExecutor(3) as pool:
        searching = [pool.submit(search) for _ in range(3)]
        for turn in range(60):
            rows = range(100 + 5 * turn % 300, 100 + 5 * turn % 300 + 5)
            index.add(rows, vectors[rows.start : rows.stop])
            index.remove(rows[::2])
        stopped.set()
        assert all(future.result() > 0 for future in searching)
