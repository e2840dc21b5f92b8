"""Search by words, in memory: BM25 on stems, while photos come and go. It needs no model.

Readers never wait. A row counts as there only while all of its postings are in place: its length is written after them
and taken back before them, and a search looks at the lengths first.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.ranking import Mask, Rows, best
from photostock.vocabulary import Vocabulary
from photostock.words import STOP_WORDS, stems_of, terms_of, words_of

K1 = 1.0  # how soon repetition of a word stops to count
B = 0.6  # how much long texts are held back
ABSENT = -1.0  # the length of a row that is not there

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Postings:
    """The rows that contain a stem, and how often; the buffers may be longer, for what comes next.

    A row that was removed stays, to be told by its length, until half of the rows are such.
    """

    rows_buffer: Rows
    counts_buffer: Floats
    size: int
    removed: int = 0

    @property
    def rows(self) -> Rows:
        return self.rows_buffer[: self.size]

    @property
    def counts(self) -> Floats:
        return self.counts_buffer[: self.size]

    def with_rows(self, added: list[int], times: list[int]) -> _Postings:
        """Writes behind what readers of this object see."""
        rows, counts, size = self.rows_buffer, self.counts_buffer, self.size + len(added)
        if size > len(rows):
            rows, counts = np.resize(rows, 2 * size), np.resize(counts, 2 * size)
        rows[self.size : size], counts[self.size : size] = added, times
        return replace(self, rows_buffer=rows, counts_buffer=counts, size=size)

    def without_one(self, lengths: Floats) -> _Postings:
        """After the length of one of its rows was taken back."""
        if 2 * (self.removed + 1) < self.size:
            return replace(self, removed=self.removed + 1)
        there = lengths[self.rows] >= 0
        return _Postings(self.rows[there], self.counts[there], int(there.sum()))


class WordEvidence(NamedTuple):
    """What the words of a query say about some rows: BM25 of each, and the most that any text could have."""

    bm25: npt.NDArray[np.float64]
    attainable: float


class LexicalIndex:
    """Words by row: reads from any number of threads, changes from any one at a time."""

    def __init__(self, *, k1: float = K1, b: float = B) -> None:
        self.vocabulary = Vocabulary()
        self._k1, self._b = k1, b
        self._postings: dict[str, _Postings] = {}
        self._texts: dict[int, str] = {}
        self._buffer = np.full(1024, ABSENT, dtype=np.float32)
        self._lengths = self._buffer[:0]
        self._total_length = 0  # of all texts, in words
        self._writer = threading.Lock()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, row: int, text: str) -> None:
        """Makes a text findable under a row that was never used."""
        self.add_all({row: text})

    def add_all(self, texts: Mapping[int, str]) -> None:
        """Makes texts findable by row, each row larger than the one before; many at a time cost much less."""
        words = {row: words_of(text) for row, text in texts.items()}
        terms = {row: terms_of(own) for row, own in words.items()}
        postings = _postings_of(terms)
        lengths = [_length(one) for one in terms.values()]
        with self._writer:
            self._refuse_taken(list(texts))
            self._texts.update(texts)
            self.vocabulary.add_all(words.values())
            for stem, (rows, counts) in postings.items():
                known = self._postings.get(stem)
                self._postings[stem] = (_no_postings() if known is None else known).with_rows(rows, counts)
            if texts:
                size = max(texts) + 1
                self._make_room(size)
                self._buffer[list(texts)] = lengths
                self._lengths = self._buffer[:size]
                self._total_length += sum(lengths)

    def remove(self, row: int) -> None:
        """Forgets a text; a row that isn't there is ignored."""
        with self._writer:
            text = self._texts.pop(row, None)
            if text is None:
                return
            words = words_of(text)
            terms = terms_of(words)
            stems = stems_of(terms)
            self._lengths[row] = ABSENT
            for stem in set(stems):
                self._postings[stem] = left = self._postings[stem].without_one(self._lengths)
                if not left.size:
                    del self._postings[stem]
            self.vocabulary.remove(words)
            self._total_length -= _length(terms)

    def weigh(self, query: str, rows: Rows) -> WordEvidence:
        """The evidence of the query's words for these rows, in the order given; its time does not grow with the index.

        Args:
            rows: of texts that are there, int64.
        """
        sought = Counter(_sought(query))
        frequencies, counts = np.zeros(len(sought)), np.zeros((len(sought), len(rows)))
        for place, stem in enumerate(sought):
            if (postings := self._postings.get(stem)) is not None and postings.size:
                frequencies[place] = postings.size - postings.removed
                known = postings.rows  # ascending; `take` with "clip" is half the price of a checked index
                at = known.searchsorted(rows)
                counts[place] = (known.take(at, mode="clip") == rows) * postings.counts.take(at, mode="clip")
        count = max(1, len(self._texts))
        weights = np.log1p(((count - frequencies).clip(0) + 0.5) / (frequencies + 0.5)) * list(sought.values())
        mean_length = max(1.0, self._total_length / count)
        damping = self._k1 * (1 - self._b + self._b * self._lengths[rows].clip(0) / mean_length)
        bm25 = weights @ (counts * (self._k1 + 1) / (counts + damping))
        return WordEvidence(bm25, float(weights.sum()) * (self._k1 + 1))

    def search(self, query: str, *, allowed: Mask, limit: int) -> tuple[Rows, Floats]:
        """The allowed rows that have a word of the query and their BM25 scores, best first, equal ones by row.

        Its time grows with the rows that have such a word, not with the index.
        """
        return best(*self.matching(query, allowed=allowed), limit=limit)

    def matching(self, query: str, *, allowed: Mask) -> tuple[Rows, Floats]:
        """All of these, in no order."""
        lengths, allowed = self._lengths, allowed[: len(self._lengths)]
        count = max(1, len(self._texts))
        mean_length = max(1.0, self._total_length / count)
        scores = np.zeros(len(lengths), dtype=np.float32)  # the memory of what is not touched is never fetched
        found: list[Rows] = [np.empty(0, dtype=np.int64)]
        for stem, weight in Counter(_sought(query)).items():
            rows, counts, own_lengths = self._found(stem, lengths)
            without = max(0, count - len(rows))  # fewer than none while others come and go
            inverse_frequency = np.log1p((without + 0.5) / (len(rows) + 0.5))
            damping = self._k1 * (1 - self._b + self._b * own_lengths / mean_length)
            found.append(rows[scores[rows] == 0])
            scores[rows] += weight * inverse_frequency * counts * (self._k1 + 1) / (counts + damping)
        rows = np.concatenate(found)
        rows = rows[rows < len(allowed)]
        rows = rows[allowed[rows] & (scores[rows] > 0) & (lengths[rows] >= 0)]  # what went meanwhile has half a score
        return rows, scores[rows]

    def mask_containing(self, words: Sequence[str]) -> Mask:
        """By row: does its text contain any of these? An entry of several words is contained when all of them are."""
        lengths = self._lengths
        mask = np.zeros(len(lengths), dtype=np.bool_)
        for entry in words:
            found = [self._found(stem, lengths)[0] for stem in stems_of(terms_of(words_of(entry)))]
            if found:
                mask[reduce(partial(np.intersect1d, assume_unique=True), found)] = True
        return mask

    def _found(self, stem: str, lengths: Floats) -> tuple[Rows, Floats, Floats]:
        """The rows of `lengths` that have this stem, ascending, how often each has it, and its length."""
        postings = self._postings.get(stem) or _no_postings()
        known = int(np.searchsorted(postings.rows, len(lengths)))  # a row that came since is behind them
        rows, counts = postings.rows[:known], postings.counts[:known]
        own_lengths = lengths[rows]
        there = own_lengths >= 0
        return (rows, counts, own_lengths) if there.all() else (rows[there], counts[there], own_lengths[there])

    def _refuse_taken(self, rows: list[int]) -> None:
        for row, before in zip(rows, [len(self._lengths) - 1, *rows], strict=False):
            if row <= before:
                raise ValueError(f"row {row} is taken: a photo that changes gets a new row")

    def _make_room(self, size: int) -> None:
        if size > len(self._buffer):
            grown = np.full(2 * size, ABSENT, dtype=np.float32)
            grown[: len(self._lengths)] = self._lengths
            self._buffer, self._lengths = grown, grown[: len(self._lengths)]


def _postings_of(terms: Mapping[int, list[str]]) -> dict[str, tuple[list[int], list[int]]]:
    """By stem: the rows that have it, in the order given, and how often each has it."""
    postings: dict[str, tuple[list[int], list[int]]] = {}
    for row, own in terms.items():
        for stem, count in Counter(stems_of(own)).items():
            rows, counts = postings.setdefault(stem, ([], []))
            rows.append(row)
            counts.append(count)
    return postings


def _no_postings() -> _Postings:
    return _Postings(np.empty(4, dtype=np.int64), np.empty(4, dtype=np.float32), 0)


def _length(terms: list[str]) -> int:
    """Without stop words: a text that has many of them says no less."""
    return sum(term not in STOP_WORDS for term in terms)


def _sought(query: str) -> list[str]:
    """Stems of a query without stop words, unless it has no other words."""
    words = terms_of(words_of(query))
    return stems_of([word for word in words if word not in STOP_WORDS] or words)
