"""Queries in other words than the photos': a map learnt from searches moves them to where their photos are."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from common.versions.registry import ArtifactError, Registry
from photostock.filter.arrays import npy_bytes
from photostock.filter.hubness import SEARCH_KINDS
from photostock.filter.query_map import QUERY_MAP, QueryMap
from photostock.filter.query_map_training import learnt_map, lessons_of
from photostock.filter.relevance import Relevance, by_meaning
from photostock.filter.relevance_training import train
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.photo import Photo
from photostock.reranker.lists import ListMaker
from photostock.reranker.split import Split
from tests.photostock.conftest import WordEncoder

THINGS = ("anchor", "barn", "candle", "desk", "easel", "fern", "goose", "harp", "inkpot", "jar", "kite", "lamp")
CALIBRATION = {"slope": 1.0, "gap_slope": 1.0, "bias": 0.0}


def in_two_languages(count: int) -> list[Photo]:
    """Photos of three things each; who searches for them has another word for each thing."""
    chance = np.random.default_rng(4)
    shown = [chance.choice(THINGS, 3, replace=False).tolist() for _ in range(count)]
    return [
        Photo(
            f"p{number}",
            " ".join(things),
            queries=tuple(" ".join(f"{thing}o" for thing in two) for two in [things[:2], things[1:]]),
        )
        for number, things in enumerate(shown)
    ]


def found(relevance: Relevance | None, photos: list[Photo], query: str, *, limit: int = 10) -> list[str]:
    encoder, lexical = WordEncoder(), LexicalIndex()
    vectors = VectorIndex(dimensions=encoder.dimensions)
    vectors.add(range(len(photos)), encoder.encode([photo.text for photo in photos]))
    lexical.add_all({row: photo.text for row, photo in enumerate(photos)})
    candidates = by_meaning(
        vectors,
        lexical,
        text=query,
        vector=encoder.encode([query])[0],
        allowed=np.ones(len(photos), dtype=np.bool_),
        limit=limit,
        relevance=relevance,
    )
    return [photos[row].id for row in candidates.rows[:limit].tolist()]


def test_a_map_that_moves_nothing_leaves_queries_where_they_are() -> None:
    queries = WordEncoder().encode(["anchor barn", "kite"])
    assert np.allclose(QueryMap(np.zeros((64, 64), dtype=np.float32)).of(queries), queries)


def test_a_moved_query_has_the_length_of_one_alone_or_among_others() -> None:
    queries = WordEncoder().encode(["anchor barn", "kite", "lamp desk"])
    query_map = QueryMap(np.random.default_rng(1).normal(0, 0.05, (64, 64)).astype(np.float32))
    moved = query_map.of(queries)
    assert np.allclose(np.linalg.norm(moved, axis=1), 1)
    assert np.allclose(query_map.of(queries[1]), moved[1], atol=1e-6)


def test_a_map_that_takes_a_query_to_nowhere_leaves_it_where_it_was() -> None:
    queries = WordEncoder().encode(["anchor barn"])
    assert np.array_equal(QueryMap(-np.eye(64, dtype=np.float32)).of(queries), queries)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((64, 63), dtype=np.float32),
        np.zeros((64, 64)),
        np.full((64, 64), np.nan, dtype=np.float32),
        np.full((64, 64), 1e30, dtype=np.float32),
    ],
    ids=["not square", "of other numbers", "not finite", "far too strong"],
)
def test_a_map_that_can_not_be_one_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ArtifactError):
        QueryMap(matrix)


def many_arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, matrix=np.zeros((8, 8), dtype=np.float32))
    return file.getvalue()


GOOD = npy_bytes(np.zeros((8, 8), dtype=np.float32))


@pytest.mark.parametrize("artifact", [QUERY_MAP, SEARCH_KINDS])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        GOOD[:-40],
        GOOD.replace(b"False", b"Fal{e"),
        GOOD.replace(b"(8, 8)", b"(8, 8 "),
        b"PK\x03\x04 is how a zip file begins",
        many_arrays(),
        pickle.dumps(np.zeros((8, 8))),
    ],
    ids=["empty", "text", "truncated", "damaged header", "open bracket", "no zip", "several arrays", "pickled"],
)
def test_a_file_without_an_array_is_refused_with_its_release(tmp_path: Path, content: bytes, artifact: str) -> None:
    registry = Registry(tmp_path)
    registry.publish(
        "filter",
        {artifact: content},
        parameters={"words_weight": 0.1, "semantic": CALIBRATION, "lexical": CALIBRATION}
        | ({"hubness_weight": 0.2, "usual_hubness": 0.3} if artifact == SEARCH_KINDS else {}),
        compatible_with={"encoder": "1.0.0"},
        alias="champion",
    )
    with pytest.raises(ArtifactError, match=artifact):
        Relevance.load(registry.load("filter"))


def test_training_learns_what_searchers_mean_and_the_release_finds_it(tmp_path: Path) -> None:
    photos, registry = in_two_languages(700), Registry(tmp_path)
    manifest = train(photos, registry, WordEncoder())
    assert manifest.metrics["tuning_ndcg_10_filter"] > 2 * manifest.metrics["tuning_ndcg_10_words"]
    relevance = Relevance.load(registry.load("filter"))
    new = {photo.id for photo in photos} - {photo.id for photo in Split.of(photos, seed=1).photos}
    asked = [photo for photo in photos if photo.id in new]
    hits = {
        name: sum(photo.id in found(weights, photos, photo.queries[0]) for photo in asked)
        for name, weights in (("as asked", None), ("moved", relevance))
    }
    assert hits["moved"] > 2 * hits["as asked"]


def test_where_moving_queries_does_not_help_none_is_moved(tmp_path: Path) -> None:
    """Each photo has a word of its own, and so has its search: of the others' nothing can be learnt for it."""
    photos = [Photo(f"p{n}", f"photo number w{n}", queries=(f"w{n}", f"number w{n}")) for n in range(700)]
    manifest = train(photos, Registry(tmp_path), WordEncoder())
    assert manifest.metrics["tuning_ndcg_10_filter"] == manifest.metrics["tuning_ndcg_10_words"]
    assert not {QUERY_MAP, SEARCH_KINDS} & set(manifest.artifacts)


def test_the_same_searches_and_seed_teach_the_same_map() -> None:
    lessons = lessons_of(in_two_languages(200), WordEncoder(), kept=None)
    one, same, other = (learnt_map(lessons, seed=seed).matrix for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_weights_of_a_reranker_are_tuned_behind_the_filter(tmp_path: Path) -> None:
    photos, registry = in_two_languages(700), Registry(tmp_path)
    train(photos, registry, WordEncoder())
    relevance = Relevance.load(registry.load("filter"))
    lists = ListMaker(photos, WordEncoder())
    [plain] = lists.as_served([3], depth=20)
    [behind] = lists.as_served([3], depth=20, relevance=relevance)
    assert plain.cosines != behind.cosines
    query, photo = WordEncoder().encode([behind.query, behind.texts[0]])
    cosine = relevance.moved(query) @ photo
    [nearness] = relevance.nearness(np.array([cosine], dtype=np.float64), photo[np.newaxis])
    assert behind.cosines[0] == pytest.approx(float(nearness), abs=1e-5)
    assert list(behind.cosines) == sorted(behind.cosines, reverse=True)
