"""Learns the filter's numbers and its query map from the catalogue's own queries, and publishes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from common.versions.registry import CHAMPION, Manifest, Registry
from photostock.catalogue import Photo
from photostock.filter.arrays import npy_bytes
from photostock.filter.hubness import SEARCH_KINDS, USUAL, Hubness
from photostock.filter.query_map import QUERY_MAP, QueryMap
from photostock.filter.relevance import FUSED_DEPTH, Calibration, share_of_best
from photostock.gains import gain_10
from photostock.index.encoder import Encoder, Vectors, encode_all
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.onnx_export import prepare_torch
from photostock.ranking import Mask
from photostock.reranker.split import NothingToLearnFrom, Split
from photostock.reranker.training_ids import TRAINING_IDS, written

MOST_LEARNT, MOST_JUDGED = 2_500, 1_000  # queries
LEAST_LEARNT = 100
LEAST_JUDGING = 100  # queries that tell whether to move queries helps; where there are fewer, none is moved
WORDS_WEIGHTS = tuple(np.arange(0, 0.301, 0.01).tolist())
HUBNESS_WEIGHTS = tuple(np.arange(0, 0.501, 0.05).tolist())
TUNING_ROUNDS = 3
SHARPNESSES = (10.0, 15.0, 20.0, 30.0)  # of the softmax under which the weights are compared

Floats: TypeAlias = npt.NDArray[np.float64]


class Asked(NamedTuple):
    """A query, its unit-length vector, and the row of the photo that was meant."""

    query: str
    row: int
    vector: Vectors


class Answered(NamedTuple):
    """A query's candidates by cosine and by words, and which of them was meant: -1 if it is not among them."""

    cosines: Floats
    hubness: Floats
    words: Floats
    answer: int
    lexical_shares: Floats
    lexical_answer: int


class Weights(NamedTuple):
    """Of what is added to a cosine, and of what is taken off."""

    words: float = 0.0
    hubness: float = 0.0

    def fused(self, cosines: Floats, hubness: Floats, words: Floats) -> Floats:
        return cosines - self.hubness * hubness + self.words * words

    def of(self, one: Answered) -> Floats:
        return self.fused(one.cosines, one.hubness, one.words)


COSINES = Weights()


def train(
    photos: Iterable[Photo],
    registry: Registry,
    encoder: Encoder,
    *,
    seed: int = 1,
    kept_vectors: Mapping[str, bytes] | None = None,
    promote: bool = True,
) -> Manifest:
    """Publishes component "filter" for this encoder, with `promote` as its champion; queries are moved if that helps.

    Raises `NothingToLearnFrom` when too few photos have queries.
    """
    catalogue = list(photos)
    split = Split.of(catalogue, seed=seed)
    search = _Search(catalogue, encoder, kept_vectors)
    learning = search.asked(split.learning, most=MOST_LEARNT, seed=seed, what="encoding searches to learn from")
    if len(learning) < LEAST_LEARNT:
        raise NothingToLearnFrom(f"{len(learning)} queries with a known answer; the filter needs {LEAST_LEARNT}")
    tuning = search.asked(split.tuning, most=MOST_JUDGED, seed=seed, what="encoding searches to judge by")
    plain = _plain(search, learning, tuning)
    orders = [plain]
    if len(tuning) >= LEAST_JUDGING:
        prepare_torch()
        from photostock.filter.query_map_training import learnt  # imports torch

        query_map, hubness = learnt(split.learning, encoder, kept=kept_vectors, seed=seed)
        orders += [_moved(search, tuning, split.learning, query_map, one) for one in (None, hubness)]
    order = max(orders, key=lambda one: one.ndcg_10)
    semantic, lexical = order.calibrations()
    parameters = {"words_weight": order.weights.words, "semantic": asdict(semantic), "lexical": asdict(lexical)}
    artifacts = {TRAINING_IDS: written(split.photos)}
    if order.query_map is not None:
        artifacts[QUERY_MAP] = npy_bytes(order.query_map.matrix)
    if order.hubness is not None:
        artifacts[SEARCH_KINDS] = npy_bytes(order.hubness.kinds)
        parameters |= {"hubness_weight": order.weights.hubness, USUAL: round(order.hubness.usual, 6)}
    return registry.publish(
        "filter",
        artifacts,
        parameters=parameters,
        compatible_with={"encoder": encoder.version},
        training={"data": split.fingerprint, "seed": seed, "queries": len(learning)},
        metrics={
            "tuning_ndcg_10_encoder": ndcg_10(plain.judged, COSINES),
            "tuning_ndcg_10_words": plain.ndcg_10,
            "tuning_ndcg_10_filter": order.ndcg_10,
        },
        alias=CHAMPION if promote else None,
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """A way to put candidates in order, and the queries that its numbers were learnt from and judged by."""

    learnt: Sequence[Answered]
    judged: Sequence[Answered]
    weights: Weights
    query_map: QueryMap | None = None
    hubness: Hubness | None = None

    @property
    def ndcg_10(self) -> float:
        return ndcg_10(self.judged, self.weights)

    def calibrations(self) -> tuple[Calibration, Calibration]:
        """Of scores by meaning and by words."""
        return (
            calibrated([self.weights.of(one) for one in self.learnt], [one.answer for one in self.learnt]),
            calibrated([one.lexical_shares for one in self.learnt], [one.lexical_answer for one in self.learnt]),
        )


def _plain(search: _Search, learning: Sequence[Asked], tuning: Sequence[Asked]) -> _Order:
    """The encoder's cosines, and words if they help the queries that judge."""
    learnt, judged = search.answered(learning), search.answered(tuning)
    return _Order(learnt, judged, max(tuned(learnt), COSINES, key=lambda weights: ndcg_10(judged, weights)))


def _moved(
    search: _Search, tuning: Sequence[Asked], learning: Sequence[Photo], query_map: QueryMap, hubness: Hubness | None
) -> _Order:
    """With what was fitted to these photos, which therefore look like hubs: moved queries come too near to them.

    So all numbers come from queries that are new to it, and weights from lists without those photos.
    """
    moved = [one._replace(vector=query_map.of(one.vector)) for one in tuning]
    weights = tuned(search.answered(moved, hubness, leaving_out=learning))
    judged = search.answered(moved, hubness)
    return _Order(judged, judged, weights, query_map, hubness if weights.hubness else None)


def tuned(answered: Sequence[Answered]) -> Weights:
    """The weights under which the right answers are likeliest; nDCG on so few queries moves by chance."""
    known = [one for one in answered if one.answer >= 0]
    if not known:
        return COSINES
    cosines = _padded([one.cosines for one in known], filled=-1e3)
    hubness, words = _padded([one.hubness for one in known]), _padded([one.words for one in known])
    answers = np.array([one.answer for one in known])

    def likelihood(weights: Weights) -> float:
        fused = weights.fused(cosines, hubness, words)
        return max(_log_likelihood(sharpness * fused, answers) for sharpness in SHARPNESSES)

    best = COSINES
    for _ in range(TUNING_ROUNDS):  # one weight after the other
        best = max((best._replace(words=round(weight, 6)) for weight in WORDS_WEIGHTS), key=likelihood)
        if not hubness.any():
            break
        best = max((best._replace(hubness=round(weight, 6)) for weight in HUBNESS_WEIGHTS), key=likelihood)
    return best


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


def ndcg_10(answered: Sequence[Answered], weights: Weights) -> float:
    """Mean over all queries, with those whose answer is not among the candidates counted as zero."""
    return float(np.mean([_gain(one, weights) for one in answered])) if answered else 0.0


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

    def asked(self, photos: Sequence[Photo], *, most: int, seed: int, what: str) -> list[Asked]:
        """Some queries of these photos, drawn by chance."""
        known = [(query, self._row_of[photo.id]) for photo in photos for query in photo.queries]
        places = np.sort(np.random.default_rng(seed).permutation(len(known))[:most]).tolist()
        chosen = [known[place] for place in places]
        vectors = encode_all(self._encoder, {str(n): query for n, (query, _) in enumerate(chosen)}, what=what)
        return [Asked(query, row, vector) for (query, row), vector in zip(chosen, vectors, strict=True)]

    def answered(
        self, asked: Sequence[Asked], hubness: Hubness | None = None, *, leaving_out: Sequence[Photo] = ()
    ) -> list[Answered]:
        allowed: Mask = np.ones(len(self._row_of), dtype=np.bool_)
        allowed[[self._row_of[photo.id] for photo in leaving_out]] = False
        return [self._answered(one, hubness, allowed) for one in asked]

    def _answered(self, asked: Asked, hubness: Hubness | None, allowed: Mask) -> Answered:
        query, row, vector = asked
        rows, cosines = self._vectors.search(vector, allowed=allowed, limit=FUSED_DEPTH)
        evidence = self._lexical.weigh(query, rows)
        worded, bm25 = self._lexical.search(query, allowed=allowed, limit=FUSED_DEPTH)
        return Answered(
            cosines.astype(np.float64),
            np.zeros(len(rows)) if hubness is None else hubness.of_rows(self._vectors, rows).astype(np.float64),
            share_of_best(evidence.bm25),
            _place(rows, row),
            bm25.astype(np.float64) / max(evidence.attainable, 1e-9),
            _place(worded, row),
        )


def _place(rows: npt.NDArray[np.int64], row: int) -> int:
    places = np.flatnonzero(rows == row)
    return int(places[0]) if len(places) else -1


def _padded(lists: Sequence[Floats], *, filled: float = 0.0) -> Floats:
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


def _gain(one: Answered, weights: Weights) -> float:
    if one.answer < 0:
        return 0.0
    fused = weights.of(one)
    return float(gain_10(np.count_nonzero(fused > fused[one.answer])))
