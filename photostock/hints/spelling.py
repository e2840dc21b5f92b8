"""Spelling by the catalogue's own words: a word that nobody writes becomes the likely one that was meant.

Frequent words of the catalogue are never touched, nor are rarer ones that a dictionary has, too. Any other is compared
with the words one slip away: by how often the catalogue has them, how well they fit the words beside them, and how
common the slip is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from photostock.hints.edits import likelihood, one_edit_from
from photostock.vocabulary import Vocabulary
from photostock.words import Token, tokens_of

FREQUENT = 20  # texts: such a word is meant as it is written
TRUSTED = 2  # texts: from here on, a word that the dictionary has, too
LEAST_LETTERS, MOST_LETTERS = 2, 24
MOST_LOOKED_AT = 8  # words of a query that nobody writes; a text with more of them is not English but noise
DICTIONARY_TEXTS = 0.5  # what a word of the dictionary counts that no text has
FREQUENCY = 0.85  # how much the logarithm of a frequency weighs beside the slip
BESIDE = 0.7  # how far the words beside it are believed
KEPT_KNOWN = 8.0  # the head start of a word that the catalogue or the dictionary has, and
KEPT_UNKNOWN = -3.0  # of one that neither has


class Correction(NamedTuple):
    """One word that was read as another."""

    written: str
    meant: str


@dataclass(frozen=True, slots=True)
class Corrected:
    text: str
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True)
class Speller:
    """Reads the vocabulary and the dictionary as they are at the moment of the call; safe for many threads.

    Args:
        dictionary: words that are real although no text has them.
    """

    vocabulary: Vocabulary
    dictionary: Callable[[], frozenset[str]]

    def correct(self, text: str, *, leave: Collection[str] = ()) -> Corrected:
        """The text with each misspelt word replaced.

        Args:
            text: in NFC form.
            leave: words that are right whatever the catalogue says.
        """
        tokens = tokens_of(text)
        dictionary = self.dictionary()
        doubtful = [place for place, token in enumerate(tokens) if self._doubtful(token.word, dictionary, leave)]
        if not doubtful or len(doubtful) > MOST_LOOKED_AT:
            return Corrected(text)
        corrections, parts, written_to = [], [], 0
        for place in doubtful:
            token = tokens[place]
            if (meant := self._meant(tokens, place, dictionary)) is not None:
                corrections.append(Correction(token.word, meant))
                parts += [text[written_to : token.start], meant]
                written_to = token.end
        return Corrected("".join([*parts, text[written_to:]]), tuple(corrections))

    def _doubtful(self, word: str, dictionary: frozenset[str], leave: Collection[str]) -> bool:
        texts = self.vocabulary.count(word)
        if texts > FREQUENT or (texts >= TRUSTED and word in dictionary):
            return False
        return LEAST_LETTERS <= len(word) <= MOST_LETTERS and word.isalpha() and word not in leave

    def _meant(self, tokens: Sequence[Token], place: int, dictionary: frozenset[str]) -> str | None:
        word = tokens[place].word
        before = tokens[place - 1].word if place else None
        after = tokens[place + 1].word if place + 1 < len(tokens) else None
        possible = one_edit_from(word, "" if word.isascii() else self.vocabulary.letters)
        known = [*self.vocabulary.known_of(possible), *dictionary.intersection(possible)]
        chances = {
            other: self._chance(before, other, after, dictionary) + likelihood(word, other)
            for other in known
            if len(other) >= LEAST_LETTERS and other not in (before, after)  # nobody writes a word twice
        }
        if not chances:
            return None
        if self.vocabulary.count(word) or word in dictionary:
            as_written = self._chance(before, word, after, dictionary) + KEPT_KNOWN
        else:
            as_written = KEPT_UNKNOWN
        best = max(sorted(chances), key=chances.__getitem__)
        return best if chances[best] > as_written else None

    def _chance(self, before: str | None, word: str, after: str | None, dictionary: frozenset[str]) -> float:
        """The logarithm of how much the catalogue speaks for a word that it or the dictionary has."""
        texts = self.vocabulary.count(word)
        beside = 0.0
        if before is not None:
            beside += math.log(self._lift(before, word))
        if after is not None:
            beside += math.log(self._lift(word, after))
        return FREQUENCY * math.log(texts or DICTIONARY_TEXTS) + beside

    def _lift(self, first: str, second: str) -> float:
        """How many times as often as by chance two words are side by side; never 0, for the catalogue is small."""
        together = self.vocabulary.pair_count(first, second)
        by_chance = self.vocabulary.count(first) * self.vocabulary.count(second)
        return 1 - BESIDE + (BESIDE * together * self.vocabulary.texts / by_chance if by_chance else 0.0)
