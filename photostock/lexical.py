"""Search by words, in memory: BM25 on stems, while photos come and go. It needs no model.

Readers never wait. A row counts as there only while all of its postings are in place: its length is written after them
and taken back before them, and a search looks at the lengths first.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.ranking import Mask, Rows, best
from photostock.words import STOP_WORDS, stems_of, words_of

K1 = 1.2  # how soon repetition of a word stops to count
B = 0.75  # how much long texts are held back
ABSENT = -1.0  # the length of a row that is not there

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Postings:
    """The rows that contain a stem, and how often; the buffers may be longer, for what comes next."""

    rows_buffer: Rows
    counts_buffer: Floats
    size: int

    @property
    def rows(self) -> Rows:
        return self.rows_buffer[: self.size]

    @property
    def counts(self) -> Floats:
        return self.counts_buffer[: self.size]

    def with_row(self, row: int, count: int) -> _Postings:
        """Writes behind what readers of this object see."""
        rows, counts = self.rows_buffer, self.counts_buffer
        if self.size == len(rows):
            rows, counts = np.resize(rows, 2 * self.size), np.resize(counts, 2 * self.size)
        rows[self.size], counts[self.size] = row, count
        return _Postings(rows, counts, self.size + 1)

    def without_row(self, row: int) -> _Postings:
        keep = self.rows != row
        return _Postings(self.rows[keep], self.counts[keep], int(keep.sum()))


class LexicalIndex:
    """Words by row: reads from any number of threads, changes from any one at a time."""

    def __init__(self, *, k1: float = K1, b: float = B) -> None:
        self._k1, self._b = k1, b
        self._postings: dict[str, _Postings] = {}
        self._texts: dict[int, str] = {}
        self._document_frequency: Counter[str] = Counter()
        self._buffer = np.full(1024, ABSENT, dtype=np.float32)
        self._lengths = self._buffer[:0]
        self._writer = threading.Lock()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, row: int, text: str) -> None:
        """Makes a text findable under a row that was never used."""
        words = words_of(text)
        stems = stems_of(words)
        with self._writer:
            if row < len(self._lengths):
                raise ValueError(f"row {row} is taken: a photo that changes gets a new row")
            self._grow(row + 1)
            self._texts[row] = text
            self._document_frequency.update(set(words))
            for stem, count in Counter(stems).items():
                self._postings[stem] = self._postings.get(stem, _no_postings()).with_row(row, count)
            self._lengths[row] = len(stems)

    def remove(self, row: int) -> None:
        """Forgets a text; a row that isn't there is ignored."""
        with self._writer:
            text = self._texts.pop(row, None)
            if text is None:
                return
            words = words_of(text)
            stems = stems_of(words)
            self._lengths[row] = ABSENT
            for stem in set(stems):
                self._drop(stem, row)
            self._document_frequency -= Counter(set(words))

    def search(self, query: str, *, allowed: Mask, limit: int) -> tuple[Rows, Floats]:
        """The allowed rows that have a word of the query and their BM25 scores, best first, equal ones by row."""
        lengths = self._lengths.copy()
        there = lengths >= 0
        count = max(1, int(np.count_nonzero(there)))
        mean_length = max(1.0, float(lengths[there].sum(dtype=np.float64)) / count)
        scores = np.zeros(len(lengths), dtype=np.float32)
        for stem, weight in Counter(_sought(query)).items():
            rows, counts = self._found(stem, there)
            inverse_frequency = np.log1p((count - len(rows) + 0.5) / (len(rows) + 0.5))
            damping = self._k1 * (1 - self._b + self._b * lengths[rows] / mean_length)
            scores[rows] += weight * inverse_frequency * counts * (self._k1 + 1) / (counts + damping)
        known = min(len(scores), len(allowed))
        rows = np.flatnonzero((scores[:known] > 0) & allowed[:known])
        return best(rows, scores[rows], limit=limit)

    def mask_containing(self, words: Sequence[str]) -> Mask:
        """By row: does its text contain any of these? An entry of several words is contained when all of them are."""
        there = self._lengths >= 0
        mask = np.zeros(len(there), dtype=np.bool_)
        for entry in words:
            found = [self._found(stem, there)[0] for stem in stems_of(words_of(entry))]
            if found:
                mask |= np.bincount(np.concatenate(found), minlength=len(there)) == len(found)
        return mask

    def vocabulary(self) -> dict[str, int]:
        """Every word as it is written, in lower case, and in how many texts it occurs."""
        with self._writer:
            return dict(self._document_frequency)

    def _found(self, stem: str, there: Mask) -> tuple[Rows, Floats]:
        """Those of the rows that are `there` which have this stem, and how often each has it."""
        postings = self._postings.get(stem) or _no_postings()
        rows, counts = postings.rows, postings.counts
        known = rows < len(there)
        known[known] = there[rows[known]]
        return rows[known], counts[known]

    def _grow(self, size: int) -> None:
        if size > len(self._buffer):
            grown = np.full(2 * size, ABSENT, dtype=np.float32)
            grown[: len(self._lengths)] = self._lengths
            self._buffer = grown
        self._lengths = self._buffer[:size]

    def _drop(self, stem: str, row: int) -> None:
        left = self._postings[stem].without_row(row)
        if left.size:
            self._postings[stem] = left
        else:
            del self._postings[stem]


def _no_postings() -> _Postings:
    return _Postings(np.empty(4, dtype=np.int64), np.empty(4, dtype=np.float32), 0)


def _sought(query: str) -> list[str]:
    """Stems of a query without stop words, unless it has no other words."""
    words = words_of(query)
    return stems_of([word for word in words if word not in STOP_WORDS] or words)
