"""Learns the filter's few numbers from the catalogue's own queries, in seconds, and publishes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from common.versions.registry import CHAMPION, Manifest, Registry
from photostock.catalogue import Photo
from photostock.filter.relevance import FUSED_DEPTH, Calibration, share_of_best
from photostock.gains import gain_10
from photostock.index.encoder import Encoder, encode_all
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.ranking import Mask
from photostock.reranker.split import NothingToLearnFrom, Split
from photostock.reranker.training_ids import TRAINING_IDS, written

MOST_LEARNT, MOST_JUDGED = 2_500, 500  # queries
LEAST_LEARNT = 100
WORDS_WEIGHTS = tuple(np.arange(0, 0.301, 0.01).tolist())
SHARPNESS = (10.0, 15.0, 20.0, 30.0)  # of the softmax under which the weights are compared

Floats: TypeAlias = npt.NDArray[np.float64]


class Answered(NamedTuple):
    """A query's candidates by cosine and by words, and which of them was meant: -1 if it is not among them."""

    cosines: Floats
    words: Floats
    answer: int
    lexical_shares: Floats
    lexical_answer: int


def train(
    photos: Iterable[Photo],
    registry: Registry,
    encoder: Encoder,
    *,
    seed: int = 1,
    kept_vectors: Mapping[str, bytes] | None = None,
    promote: bool = True,
) -> Manifest:
    """Publishes component "filter" for this encoder, with `promote` as its champion.

    Raises `NothingToLearnFrom` when too few photos have queries.
    """
    catalogue = list(photos)
    split = Split.of(catalogue, seed=seed)
    search = _Search(catalogue, encoder, kept_vectors)
    learnt = search.answered(split.learning, most=MOST_LEARNT, seed=seed, what="finding what the filter learns from")
    if len(learnt) < LEAST_LEARNT:
        raise NothingToLearnFrom(f"{len(learnt)} queries with a known answer; the filter needs {LEAST_LEARNT}")
    judged = search.answered(split.tuning, most=MOST_JUDGED, seed=seed, what="judging the filter")
    words_weight = tuned(learnt)
    if ndcg_10(judged, words_weight) < ndcg_10(judged, 0.0):
        words_weight = 0.0  # words don't help here: then the order stays that of the cosines
    semantic = calibrated([one.cosines + words_weight * one.words for one in learnt], [one.answer for one in learnt])
    lexical = calibrated([one.lexical_shares for one in learnt], [one.lexical_answer for one in learnt])
    return registry.publish(
        "filter",
        {TRAINING_IDS: written(split.photos)},
        parameters={"words_weight": words_weight, "semantic": asdict(semantic), "lexical": asdict(lexical)},
        compatible_with={"encoder": encoder.version},
        training={"data": split.fingerprint, "seed": seed, "queries": len(learnt)},
        metrics={
            "tuning_ndcg_10_encoder": ndcg_10(judged, 0.0),
            "tuning_ndcg_10_filter": ndcg_10(judged, words_weight),
        },
        alias=CHAMPION if promote else None,
    )


def tuned(answered: Sequence[Answered]) -> float:
    """The weight of words under which the right answers are likeliest; nDCG on so few queries moves by chance."""
    known = [one for one in answered if one.answer >= 0]
    if not known:
        return 0.0
    cosines, words = _padded([one.cosines for one in known]), _padded([one.words for one in known], filled=0.0)
    answers = np.array([one.answer for one in known])

    def likelihood(weight: float) -> float:
        fused = cosines + weight * words
        return max(_log_likelihood(sharpness * fused, answers) for sharpness in SHARPNESS)

    best: float = max(WORDS_WEIGHTS, key=likelihood)
    return round(best, 6)


def calibrated(scores: Sequence[Floats], answers: Sequence[int]) -> Calibration:
    """Logistic regression of "this was meant" on a score and its distance to the best, without wrong signs."""
    asked = [(one, answer) for one, answer in zip(scores, answers, strict=True) if len(one)]
    if not asked:
        return Calibration(0.0, 0.0, 0.0)
    score = np.concatenate([one for one, _ in asked])
    gap = np.concatenate([one.max() - one for one, _ in asked])
    meant = np.concatenate([np.arange(len(one)) == answer for one, answer in asked]).astype(np.float64)
    columns = np.stack([score, -gap, np.ones(len(score))], axis=1)
    for used in ([0, 1, 2], [0, 2], [1, 2], [2]):
        weights = np.zeros(3)
        weights[used] = _logistic(columns[:, used], meant)
        if weights[0] >= 0 and weights[1] >= 0:
            break
    return Calibration(*(round(weight, 6) for weight in weights.tolist()))


def ndcg_10(answered: Sequence[Answered], words_weight: float) -> float:
    """Mean over all queries, with those whose answer is not among the candidates counted as zero."""
    return float(np.mean([_gain(one, words_weight) for one in answered])) if answered else 0.0


class _Search:
    """The catalogue as the first stage sees it."""

    def __init__(self, catalogue: Sequence[Photo], encoder: Encoder, kept: Mapping[str, bytes] | None) -> None:
        self._encoder = encoder
        self._row_of = {photo.id: row for row, photo in enumerate(catalogue)}
        self._vectors, self._lexical = VectorIndex(dimensions=encoder.dimensions), LexicalIndex()
        texts = {photo.id: photo.text for photo in catalogue}
        self._vectors.add(range(len(catalogue)), encode_all(encoder, texts, kept=kept, what="encoding the photos"))
        for row, photo in enumerate(catalogue):
            self._lexical.add(row, photo.text)
        self._everything: Mask = np.ones(len(catalogue), dtype=np.bool_)

    def answered(self, photos: Sequence[Photo], *, most: int, seed: int, what: str) -> list[Answered]:
        """Some queries of these photos, drawn by chance."""
        known = [(query, self._row_of[photo.id]) for photo in photos for query in photo.queries]
        chosen = np.sort(np.random.default_rng(seed).permutation(len(known))[:most]).tolist()
        asked = [known[place] for place in chosen]
        encoded = encode_all(self._encoder, {str(n): query for n, (query, _) in enumerate(asked)}, what=what)
        return [self._answered(query, row, vector) for (query, row), vector in zip(asked, encoded, strict=True)]

    def _answered(self, query: str, row: int, vector: npt.NDArray[np.float32]) -> Answered:
        rows, cosines = self._vectors.search(vector, allowed=self._everything, limit=FUSED_DEPTH)
        evidence = self._lexical.weigh(query, rows)
        worded, bm25 = self._lexical.search(query, allowed=self._everything, limit=FUSED_DEPTH)
        return Answered(
            cosines.astype(np.float64),
            share_of_best(evidence.bm25),
            _place(rows, row),
            bm25.astype(np.float64) / max(evidence.attainable, 1e-9),
            _place(worded, row),
        )


def _place(rows: npt.NDArray[np.int64], row: int) -> int:
    places = np.flatnonzero(rows == row)
    return int(places[0]) if len(places) else -1


def _padded(lists: Sequence[Floats], *, filled: float = -1e3) -> Floats:
    table = np.full((len(lists), max(len(one) for one in lists)), filled)
    for place, one in enumerate(lists):
        table[place, : len(one)] = one
    return table


def _log_likelihood(logits: Floats, answers: npt.NDArray[np.int64]) -> float:
    logits = logits - logits.max(axis=1, keepdims=True)
    right = logits[np.arange(len(answers)), answers]
    return float(np.mean(right - np.log(np.exp(logits).sum(axis=1))))


def _logistic(columns: Floats, meant: Floats, *, steps: int = 30, ridge: float = 1e-6) -> Floats:
    """Newton's method; few columns, so it is done in milliseconds."""
    weights = np.zeros(columns.shape[1])
    for _ in range(steps):
        likely = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        gradient = columns.T @ (likely - meant) / len(meant) + ridge * weights
        curvature = (columns * (likely * (1 - likely))[:, None]).T @ columns / len(meant)
        step = np.linalg.solve(curvature + ridge * np.eye(len(weights)), gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(weights)


def _gain(one: Answered, words_weight: float) -> float:
    if one.answer < 0:
        return 0.0
    fused = one.cosines + words_weight * one.words
    return float(gain_10(np.count_nonzero(fused > fused[one.answer])))
