"""What the reranker learns from: queries, each with its photo and with photos that the encoder takes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photostock.catalogue import Photo
from photostock.filter.relevance import FUSED_DEPTH, Relevance
from photostock.index.encoder import Encoder, Vectors, encode_all
from photostock.labels.pairs import LabelledPair
from photostock.overriding import same_query

MOST_TOLD_WRONG = 2  # of the wrong answers, if people said of so many that they are wrong
POOL = 30  # nearest photos among which the wrong answers of a query are drawn
WRONG_ANSWERS = 5  # per query


@dataclass(frozen=True, slots=True)
class QueryList:
    """A query and texts that might answer it, with the encoder's cosine for each."""

    query: str
    texts: tuple[str, ...]
    cosines: tuple[float, ...]
    answer: int | None  # place of the right one
    weight: float = 1.0  # in training


class ListMaker:
    """Finds texts among `photos` that the encoder can hardly tell apart; queries are numbered in the photos' order.

    Args:
        labels: pairs that come behind the photos' own queries; those of photos that are not here are passed over.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        encoder: Encoder,
        *,
        kept: Mapping[str, bytes] | None = None,
        labels: Sequence[LabelledPair] = (),
    ) -> None:
        self._encoder = encoder
        self._texts = [photo.text for photo in photos]
        texts = {photo.id: photo.text for photo in photos}
        self._vectors = encode_all(encoder, texts, kept=kept, what="encoding photos to learn from")
        self._answers = [(query, row, 1.0) for row, photo in enumerate(photos) for query in photo.queries]
        row_of = {photo.id: row for row, photo in enumerate(photos)}
        labelled = [(pair, row_of[pair.photo_id]) for pair in labels if pair.photo_id in row_of]
        self._answers += [(pair.query, row, pair.weight) for pair, row in labelled if pair.right]
        self._told_wrong: dict[str, list[int]] = {}
        for pair, row in labelled:
            if not pair.right:
                self._told_wrong.setdefault(same_query(pair.query), []).append(row)
        self._right: dict[str, set[str]] = {}  # texts that answer a query: people may have chosen two photos for it
        for query, row, _ in self._answers:
            self._right.setdefault(same_query(query), set()).add(self._texts[row])

    def __len__(self) -> int:
        return len(self._answers)

    def for_training(self, numbers: Sequence[int], rng: np.random.Generator) -> list[QueryList]:
        """The queries with these numbers: the right answer first, then wrong ones, drawn anew each time."""
        made = []
        for (query, row, vector), number in zip(self._asked(numbers), numbers, strict=True):
            cosines = self._vectors @ vector
            right = self._right[same_query(query)]
            told = [other for other in self._told_wrong.get(same_query(query), ()) if self._texts[other] not in right]
            near = np.argsort(-cosines, kind="stable")[: POOL + len(right) + len(told)]
            wrong = [int(other) for other in near if self._texts[other] not in right and int(other) not in told]
            some = rng.permutation(told)[:MOST_TOLD_WRONG].tolist() if told else []
            chosen = [*some, *rng.permutation(wrong)[: WRONG_ANSWERS - len(some)].tolist()]
            made.append(self._list(query, [row, *chosen], cosines, answer=0, weight=self._answers[number][2]))
        return made

    def as_served(self, numbers: Sequence[int], *, depth: int, relevance: Relevance | None = None) -> list[QueryList]:
        """The queries with these numbers: the best `depth` texts in the encoder's order.

        Args:
            relevance: a filter that stands behind the encoder; then cosines are its nearness, and in its order.
        """
        made = []
        for query, row, vector in self._asked(numbers):
            cosines = (self._vectors @ (vector if relevance is None else relevance.moved(vector))).astype(np.float64)
            found = np.argsort(-cosines, kind="stable")[: max(depth, FUSED_DEPTH)]
            if relevance is not None:
                cosines[found] = relevance.nearness(cosines[found], self._vectors[found])
            best = found[np.argsort(-cosines[found], kind="stable")][:depth].tolist()
            made.append(self._list(query, best, cosines, answer=best.index(row) if row in best else None))
        return made

    def _asked(self, numbers: Sequence[int]) -> list[tuple[str, int, Vectors]]:
        """Query, row of its answer, and the query's vector."""
        asked = [self._answers[number][:2] for number in numbers]
        vectors = self._encoder.encode([query for query, _ in asked])
        return [(query, row, vector) for (query, row), vector in zip(asked, vectors, strict=True)]

    def _list(
        self,
        query: str,
        rows: Sequence[int],
        cosines: npt.NDArray[np.floating[Any]],
        *,
        answer: int | None,
        weight: float = 1.0,
    ) -> QueryList:
        texts = tuple(self._texts[row] for row in rows)
        return QueryList(query, texts, tuple(cosines[list(rows)].tolist()), answer, weight)
