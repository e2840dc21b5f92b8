"""The filter's learnt order: words refine what meaning found, and scores mean the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from common.versions.registry import ArtifactError, Registry
from photostock.demo_catalogue import demo_photos
from photostock.filter.relevance import FUSED_DEPTH, Calibration, Candidates, Relevance, by_meaning, by_words
from photostock.filter.relevance_training import Answered, calibrated, train, tuned
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.reranker.split import NothingToLearnFrom, Split
from photostock.reranker.training_ids import trained_on
from tests.photostock.conftest import WordEncoder

CALIBRATION = Calibration(slope=4.0, gap_slope=16.0, bias=-4.0)


def weights(words_weight: float) -> Relevance:
    return Relevance(
        version="1.0.0",
        encoder_version="1.0.0",
        words_weight=words_weight,
        semantic=CALIBRATION,
        lexical=Calibration(slope=8.0, gap_slope=17.0, bias=-4.0),
    )


class Index:
    """Some texts, searched."""

    def __init__(self, *texts: str) -> None:
        self.encoder = WordEncoder()
        self.vectors, self.lexical = VectorIndex(dimensions=self.encoder.dimensions), LexicalIndex()
        self.vectors.add(range(len(texts)), self.encoder.encode(texts))
        for row, text in enumerate(texts):
            self.lexical.add(row, text)
        self.allowed = np.ones(len(texts), dtype=np.bool_)

    def search(self, text: str, relevance: Relevance | None, *, limit: int = 10) -> Candidates:
        return by_meaning(
            self.vectors,
            self.lexical,
            text=text,
            vector=self.encoder.encode([text])[0],
            allowed=self.allowed,
            limit=limit,
            relevance=relevance,
        )


def numbered(count: int) -> Index:
    chance = np.random.default_rng(3)
    return Index(*(" ".join(f"w{n}" for n in chance.integers(0, 60, 6)) for _ in range(count)))


def test_without_weights_the_order_and_the_scores_are_the_cosines() -> None:
    index = numbered(40)
    found = index.search("w1 w2 w3", None)
    rows, cosines = index.vectors.search(
        index.encoder.encode(["w1 w2 w3"])[0], allowed=index.allowed, limit=FUSED_DEPTH
    )
    assert found.rows.tolist() == rows.tolist()
    np.testing.assert_array_equal(found.scores, cosines)


def test_a_words_weight_of_zero_keeps_the_order_of_the_cosines() -> None:
    index = numbered(300)
    assert index.search("w1 w2 w3", weights(0.0)).rows.tolist() == index.search("w1 w2 w3", None).rows.tolist()


def test_words_decide_between_photos_of_about_the_same_meaning() -> None:
    index = numbered(300)
    best = index.lexical.search("w7 w8 w9", allowed=index.allowed, limit=1)[0][0]
    place = [index.search("w7 w8 w9", weights(w)).rows.tolist().index(best) for w in (0.0, 0.9)]
    assert place[1] == 0
    assert place[1] <= place[0]


@pytest.mark.parametrize("limit", [1, 20, FUSED_DEPTH, 250])
def test_scores_fall_from_result_to_result_and_pages_agree(limit: int) -> None:
    index = numbered(300)
    found, all_of_them = (index.search("w1 w2 w3 w4", weights(0.1), limit=n) for n in (limit, 300))
    assert (np.diff(all_of_them.scores) <= 0).all()
    assert ((all_of_them.scores >= 0) & (all_of_them.scores <= 1)).all()
    assert found.rows.tolist() == all_of_them.rows[: len(found.rows)].tolist()
    assert found.scores.tolist() == all_of_them.scores[: len(found.rows)].tolist()


def test_nothing_below_the_cut_off_is_kept() -> None:
    found = numbered(300).search("w1 w2 w3 w4", weights(0.1), limit=300)
    kept = found.at_least(0.1)
    assert 0 < len(kept.rows) < 300
    assert kept.scores.min() >= 0.1 > found.scores[len(kept.rows)]
    assert len(found.at_least(1.0).rows) == 0


def test_words_alone_are_scored_by_what_share_of_the_query_they_are() -> None:
    index = Index("dog beach sunset", "dog", "cat")
    found = by_words(index.lexical, text="dog beach sunset", allowed=index.allowed, limit=5, relevance=None)
    assert found.rows.tolist() == [0, 1]
    assert 1 >= found.scores[0] > found.scores[1] > 0


def test_the_evidence_of_words_is_the_score_of_the_search_by_words() -> None:
    index = numbered(300)
    rows, scores = index.lexical.search("w1 w2 w2 unheard", allowed=index.allowed, limit=50)
    evidence = index.lexical.weigh("w1 w2 w2 unheard", rows)
    np.testing.assert_allclose(evidence.bm25, scores, rtol=1e-5)
    assert evidence.bm25.max() < evidence.attainable


def test_the_evidence_stays_true_when_photos_go() -> None:
    index = numbered(50)
    for row in range(25):
        index.lexical.remove(row)
    rows, scores = index.lexical.search("w1 w2", allowed=index.allowed, limit=50)
    np.testing.assert_allclose(index.lexical.weigh("w1 w2", rows).bm25, scores, rtol=1e-5)


def test_no_candidates_are_no_trouble() -> None:
    index = numbered(5)
    index.allowed[:] = False
    assert len(index.search("w1", weights(0.1)).rows) == 0


@pytest.mark.parametrize(
    "wrong", [(-1.0, 1.0, 0.0), (1.0, -1.0, 0.0), (float("nan"), 1.0, 0.0), (1.0, 1.0, float("inf"))]
)
def test_a_calibration_that_does_not_rise_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ArtifactError):
        Calibration(*wrong)


def test_a_release_without_an_encoder_or_with_a_wild_weight_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    good = {"slope": 1.0, "gap_slope": 1.0, "bias": 0.0}
    for parameters, made_for in (
        ({"words_weight": 0.1, "semantic": good, "lexical": good}, {}),
        ({"words_weight": 7.0, "semantic": good, "lexical": good}, {"encoder": "1.0.0"}),
        ({"words_weight": 0.1, "semantic": good}, {"encoder": "1.0.0"}),
    ):
        registry.publish("filter", {}, parameters=parameters, compatible_with=made_for, alias="champion")
        with pytest.raises(ArtifactError):
            Relevance.load(registry.load("filter"))


def answered(cosines: list[float], words: list[float], answer: int, hubness: Sequence[float] = (0, 0, 0)) -> Answered:
    return Answered(np.array(cosines), np.array(hubness), np.array(words), answer, np.array(words), answer)


def test_words_get_no_weight_where_they_mislead() -> None:
    assert tuned([answered([0.6, 0.5, 0.4], [0.1, 1.0, 0.9], 0)] * 20).words == 0.0


def test_words_get_weight_where_they_tell_the_right_photo() -> None:
    assert tuned([answered([0.50, 0.49, 0.48], [0.1, 1.0, 0.2], 1)] * 20).words > 0


def test_hubness_gets_weight_where_hubs_stand_before_the_right_photo() -> None:
    misled = answered([0.50, 0.49, 0.48], [0.0, 0.0, 0.0], 1, hubness=[0.2, 0.0, 0.0])
    right = answered([0.50, 0.49, 0.48], [0.0, 0.0, 0.0], 0, hubness=[0.2, 0.0, 0.0])
    assert tuned([misled] * 20).hubness > 0
    assert tuned([right] * 20).hubness == 0.0


def test_a_calibration_never_learns_a_falling_score() -> None:
    learnt = calibrated([np.array([0.9, 0.5, 0.1])] * 50, [2] * 50)
    assert learnt.slope >= 0
    assert learnt.gap_slope >= 0


def test_training_publishes_weights_that_serve_and_the_same_data_give_the_same_version(tmp_path: Path) -> None:
    photos, registry, encoder = list(demo_photos(count=150, seed=3)), Registry(tmp_path), WordEncoder()
    manifest = train(photos, registry, encoder)
    assert manifest.metrics["tuning_ndcg_10_filter"] >= manifest.metrics["tuning_ndcg_10_encoder"]
    learnt = Relevance.load(registry.load("filter"))
    assert learnt.encoder_version == encoder.version
    assert trained_on(registry.load("filter")) == {photo.id for photo in Split.of(photos, seed=1).photos}
    assert train(photos, registry, encoder).version == manifest.version


def test_too_few_queries_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(NothingToLearnFrom):
        train(list(demo_photos(count=12, seed=3)), Registry(tmp_path), WordEncoder())
    assert Registry(tmp_path).versions("filter") == []
