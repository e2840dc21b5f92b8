"""What the reranker learns from: queries, each with its photo and with photos that the encoder takes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photostock.catalogue import Photo
from photostock.index.encoder import Encoder, encode_all

POOL = 30  # nearest photos among which the wrong answers of a query are drawn
WRONG_ANSWERS = 5  # per query


@dataclass(frozen=True, slots=True)
class QueryList:
    """A query and texts that might answer it, with the encoder's cosine for each."""

    query: str
    texts: tuple[str, ...]
    cosines: tuple[float, ...]
    answer: int | None  # place of the right one


class ListMaker:
    """Finds texts among `photos` that the encoder can hardly tell apart; queries are numbered in the photos' order."""

    def __init__(self, photos: Sequence[Photo], encoder: Encoder, *, kept: Mapping[str, bytes] | None = None) -> None:
        self._encoder = encoder
        self._texts = [photo.text for photo in photos]
        texts = {photo.id: photo.text for photo in photos}
        self._vectors = encode_all(encoder, texts, kept=kept, what="encoding photos to learn from")
        self._answers = [(query, row) for row, photo in enumerate(photos) for query in photo.queries]
        self._right: dict[str, set[str]] = {}  # texts that answer a query: people may have chosen two photos for it
        for query, row in self._answers:
            self._right.setdefault(query.lower(), set()).add(self._texts[row])

    def __len__(self) -> int:
        return len(self._answers)

    def for_training(self, numbers: Sequence[int], rng: np.random.Generator) -> list[QueryList]:
        """The queries with these numbers: the right answer first, then wrong ones, drawn anew each time."""
        made = []
        for query, row, cosines in self._searched(numbers):
            right = self._right[query.lower()]
            near = np.argsort(-cosines, kind="stable")[: POOL + len(right)]
            wrong = [int(other) for other in near if self._texts[other] not in right]
            chosen = rng.permutation(wrong)[:WRONG_ANSWERS]
            made.append(self._list(query, [row, *chosen.tolist()], cosines, answer=0))
        return made

    def as_served(self, numbers: Sequence[int], *, depth: int) -> list[QueryList]:
        """The queries with these numbers: the best `depth` texts in the encoder's order."""
        made = []
        for query, row, cosines in self._searched(numbers):
            best = np.argsort(-cosines, kind="stable")[:depth].tolist()
            made.append(self._list(query, best, cosines, answer=best.index(row) if row in best else None))
        return made

    def _searched(self, numbers: Sequence[int]) -> list[tuple[str, int, npt.NDArray[np.float32]]]:
        asked = [self._answers[number] for number in numbers]
        vectors = self._encoder.encode([query for query, _ in asked])
        return [(query, row, self._vectors @ vector) for (query, row), vector in zip(asked, vectors, strict=True)]

    def _list(
        self, query: str, rows: Sequence[int], cosines: npt.NDArray[np.float32], *, answer: int | None
    ) -> QueryList:
        return QueryList(query, tuple(self._texts[row] for row in rows), tuple(cosines[list(rows)].tolist()), answer)
