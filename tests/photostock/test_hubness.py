"""Photos that are near to every search: what they have for all of them is taken off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.versions.registry import ArtifactError, Registry
from photostock.filter.arrays import npy_bytes
from photostock.filter.hubness import SEARCH_KINDS, Hubness
from photostock.filter.query_map import QueryMap
from photostock.filter.query_map_training import Lesson, learnt_hubness
from photostock.filter.relevance import FUSED_DEPTH, Calibration, Candidates, Relevance, by_meaning
from photostock.index.encoder import Vectors
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex

CALIBRATION = {"slope": 1.0, "gap_slope": 1.0, "bias": 0.0}


def unit(vectors: np.ndarray) -> Vectors:
    vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors.astype(np.float32)


def chance(count: int, *, seed: int = 1) -> Vectors:
    return unit(np.random.default_rng(seed).normal(size=(count, 64)))


def indexed(photos: Vectors) -> VectorIndex:
    index = VectorIndex(dimensions=photos.shape[1])
    index.add(range(len(photos)), photos)
    return index


HUBNESS, INDEX = Hubness(chance(128)), indexed(chance(300, seed=3))


def relevance(hubness: Hubness | None) -> Relevance:
    return Relevance(
        version="1.0.0",
        encoder_version="1.0.0",
        words_weight=0.0,
        semantic=Calibration(1.0, 1.0, 0.0),
        lexical=Calibration(1.0, 1.0, 0.0),
        hubness=hubness,
        hubness_weight=0.5,
    )


def found(index: VectorIndex, query: Vectors, hubness: Hubness | None, *, hidden: Sequence[int] = ()) -> Candidates:
    """All photos that are not hidden; words tell none from another."""
    lexical = LexicalIndex()
    lexical.add_all(dict.fromkeys(range(len(index)), "a photo"))
    allowed = np.ones(len(index), dtype=np.bool_)
    allowed[list(hidden)] = False
    return by_meaning(
        index,
        lexical,
        text="",
        vector=query,
        allowed=allowed,
        limit=len(index),
        relevance=relevance(hubness),
    )


def test_what_is_near_to_every_kind_of_search_is_a_hub_and_what_is_far_from_all_is_none() -> None:
    kinds = chance(30)
    hub, stranger = unit(kinds.sum(axis=0)), unit(-kinds.sum(axis=0))
    near_one = kinds[0]
    hubness = Hubness(unit(kinds + hub))  # searches have something in common
    of_hub, of_stranger, of_one = hubness.of(np.stack([hub, stranger, near_one])).tolist()
    assert of_hub > of_one > of_stranger


def test_hubness_is_between_the_mean_and_the_largest_cosine_with_the_kinds_of_searches() -> None:
    kinds, photos = chance(30), chance(200, seed=2)
    cosines = photos @ kinds.T
    hubness = Hubness(kinds).of(photos)
    assert (hubness <= cosines.max(axis=1) + 1e-5).all()
    assert (hubness >= cosines.mean(axis=1) - 1e-5).all()


def test_codes_of_an_index_have_the_hubness_of_their_vectors_and_rows_that_are_gone_none() -> None:
    photos = chance(300, seed=3)
    hubness = Hubness(chance(20), usual=0.1)
    index = indexed(photos)
    index.remove([7])
    of_rows = hubness.of_rows(index, np.arange(300))
    others = np.arange(300) != 7
    np.testing.assert_allclose(of_rows[others], hubness.of(photos)[others], atol=0.01)  # both are codes of 8 bits
    assert of_rows[7] == 0
    assert hubness.of_rows(index, np.array([5000])).tolist() == [0]


@given(rows=st.lists(st.integers(0, 299), min_size=1, max_size=150, unique=True))
def test_a_photo_has_the_same_hubness_byte_for_byte_whatever_stands_beside_it(rows: list[int]) -> None:
    whole, some = HUBNESS.of_rows(INDEX, np.arange(300)), HUBNESS.of_rows(INDEX, np.array(rows))
    assert some.tobytes() == whole[rows].tobytes()


def test_a_hub_steps_behind_what_was_meant_and_rows_behind_the_fused_ones_keep_their_places() -> None:
    """For one search the hub is a little nearer than the photo that was meant."""
    common, other, elsewhere = chance(3, seed=8)
    kinds = unit(chance(50) + common)  # searches have something in common
    query = unit(other + common)
    hub, meant = unit(query + common), unit(query + 0.5 * elsewhere)
    photos = np.concatenate([np.stack([hub, meant]), chance(150, seed=4)])
    index = indexed(photos)
    assert float(photos[0] @ query) > float(photos[1] @ query)
    plain, cleared = found(index, query, None).rows, found(index, query, Hubness(kinds)).rows
    assert plain[:2].tolist() == [0, 1]
    assert cleared[0] == 1
    assert cleared[FUSED_DEPTH:].tolist() == plain[FUSED_DEPTH:].tolist()
    assert sorted(cleared.tolist()) == sorted(plain.tolist())


def test_nearness_is_one_measure_for_all_that_is_found() -> None:
    query = chance(1, seed=6)[0]
    candidates = found(INDEX, query, HUBNESS)
    assert candidates.nearness is not None
    cosines = INDEX.scores_of(query, candidates.rows.tolist())
    np.testing.assert_allclose(candidates.nearness, cosines - 0.5 * HUBNESS.of_rows(INDEX, candidates.rows), atol=1e-6)


def test_photos_with_the_same_vector_stand_in_the_order_of_their_rows_whoever_else_is_there() -> None:
    twins = indexed(np.repeat(chance(60, seed=3), 3, axis=0))
    for seed in range(10):
        query = chance(1, seed=seed)[0]
        for hidden in ((), (5,), (100, 101, 7)):
            rows = found(twins, query, HUBNESS, hidden=hidden).rows[:FUSED_DEPTH]
            same = rows[1:] // 3 == rows[:-1] // 3
            assert (rows[1:] > rows[:-1])[same].all()


@pytest.mark.parametrize(
    ("kinds", "parameters"),
    [
        (np.ones((3, 64), dtype=np.float32), {}),
        (np.full((3, 64), np.nan, dtype=np.float32), {}),
        (chance(3).astype(np.float64), {}),
        (np.empty((0, 64), dtype=np.float32), {}),
        (chance(3)[0], {}),
        (chance(3), {"hubness_weight": -0.1}),
        (chance(3), {"hubness_weight": float("nan")}),
        (chance(3), {"hubness_weight": None}),
        (chance(3), {"usual_hubness": "much"}),
        (chance(3), {"usual_hubness": 1e9}),
        (None, {}),
    ],
    ids=[
        "too long",
        "not finite",
        "other numbers",
        "none",
        "one",
        "bonus",
        "NaN",
        "no weight",
        "words",
        "much",
        "lost",
    ],
)
def test_a_release_whose_hubness_can_not_be_one_is_refused(
    tmp_path: Path, kinds: np.ndarray | None, parameters: dict[str, object]
) -> None:
    registry = Registry(tmp_path)
    registry.publish(
        "filter",
        {} if kinds is None else {SEARCH_KINDS: npy_bytes(kinds)},
        parameters={"words_weight": 0.1, "semantic": CALIBRATION, "lexical": CALIBRATION}
        | {"usual_hubness": 0.5, "hubness_weight": 0.2}
        | parameters,
        compatible_with={"encoder": "1.0.0"},
        alias="champion",
    )
    with pytest.raises(ArtifactError):
        Relevance.load(registry.load("filter"))


def test_a_release_serves_the_hubness_that_was_published(tmp_path: Path) -> None:
    registry, learnt = Registry(tmp_path), Hubness(chance(5), usual=0.25)
    registry.publish(
        "filter",
        {SEARCH_KINDS: npy_bytes(learnt.kinds)},
        parameters={"words_weight": 0.1, "semantic": CALIBRATION, "lexical": CALIBRATION}
        | {"hubness_weight": 0.3, "usual_hubness": 0.25},
        compatible_with={"encoder": "1.0.0"},
        alias="champion",
    )
    served, photos = Relevance.load(registry.load("filter")), chance(10, seed=5)
    assert served.hubness is not None
    assert served.hubness_weight == 0.3
    np.testing.assert_array_equal(served.hubness.of(photos), learnt.of(photos))


def test_training_finds_the_kinds_of_searches_and_what_is_usual() -> None:
    kinds, photos = chance(3, seed=7), chance(50, seed=8)
    queries = unit(np.repeat(kinds, 40, axis=0) + 0.01 * chance(120, seed=9))
    lesson = Lesson(photos, queries, np.zeros(120, dtype=np.int64))
    learnt = learnt_hubness([lesson], QueryMap(np.zeros((64, 64), dtype=np.float32)), seed=1)
    assert (np.abs(np.linalg.norm(learnt.kinds, axis=1) - 1) < 1e-5).all()
    assert (np.max(learnt.kinds @ kinds.T, axis=0) > 0.99).all()
    assert learnt.of(photos).mean() == pytest.approx(0, abs=1e-5)
