"""The words of the catalogue, and which follow each other: kept up to date text by text, never made anew."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

MOST_LETTERS = 64  # beyond a to z; scripts with thousands of them have no typos of one letter
PAIR_CELLS = 1 << 20  # twice four bytes each, whatever the size of the catalogue; untouched ones take no memory
SCATTER = 2_654_435_761  # Knuth's multiplier: cells of the second half that have nothing to do with those of the first


class Vocabulary:
    """In how many texts each word occurs, and about how many have two words side by side.

    Reads from any number of threads, changes from any one at a time. Words are as `words_of` gives them. Pairs are
    counted by hash in two cells, of which the smaller counts (a count-min sketch): seldom too many, never too few.
    """

    def __init__(self) -> None:
        self.texts = 0
        self.letters = ""  # beyond a to z, in which the catalogue writes words; the most frequent ones
        self._texts_by_word: dict[str, int] = {}
        self._words_by_letter: Counter[str] = Counter()
        self._pairs = np.zeros((2, PAIR_CELLS), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._texts_by_word)

    def add(self, words: Sequence[str]) -> None:
        """Counts a text, given as its words in order."""
        self._change([words], 1)

    def add_all(self, texts: Iterable[Sequence[str]]) -> None:
        """Counts many, which costs less than one after the other."""
        self._change(texts, 1)

    def remove(self, words: Sequence[str]) -> None:
        """Takes a text back that was added."""
        self._change([words], -1)

    def count(self, word: str) -> int:
        """Texts that have this word."""
        return self._texts_by_word.get(word, 0)

    def pair_count(self, first: str, second: str) -> int:
        """About how many texts have these words side by side."""
        one, other = _cells(first, second)
        return int(min(self._pairs[0, one], self._pairs[1, other]))

    def known_of(self, words: Iterable[str]) -> list[str]:
        """Those of the words that a text has; for hundreds of them faster than `count`."""
        known = self._texts_by_word
        return [word for word in words if word in known]

    def _change(self, texts: Iterable[Sequence[str]], sign: int) -> None:
        words: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            self.texts += sign
            words.update(set(text))
            pairs.update(set(pairwise(text)))
        for word, count in words.items():
            self._change_word(word, sign * count)
        if pairs:
            cells: npt.NDArray[np.int64] = np.array([_cells(*pair) for pair in pairs])
            counts = sign * np.array(list(pairs.values()), dtype=np.int32)
            np.add.at(self._pairs[0], cells[:, 0], counts)
            np.add.at(self._pairs[1], cells[:, 1], counts)

    def _change_word(self, word: str, by: int) -> None:
        before = self._texts_by_word.get(word, 0)
        if before + by > 0:
            self._texts_by_word[word] = before + by
        else:
            del self._texts_by_word[word]
        if not word.isascii() and not (before and before + by):
            self._change_letters(word, 1 if by > 0 else -1)

    def _change_letters(self, word: str, by: int) -> None:
        for letter in set(word):
            if letter.isalpha() and not letter.isascii():
                self._words_by_letter[letter] += by
        self._words_by_letter = +self._words_by_letter
        self.letters = "".join(sorted(letter for letter, _ in self._words_by_letter.most_common(MOST_LETTERS)))


def _cells(first: str, second: str) -> tuple[int, int]:
    number = zlib.crc32(f"{first} {second}".encode())
    return number % PAIR_CELLS, number * SCATTER % (1 << 32) >> 12
