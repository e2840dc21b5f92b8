"""Text to words, for search by words: the same for documents, queries and excluded words."""

from __future__ import annotations

import re
import unicodedata

import Stemmer

WORD = re.compile(r"[^\W_]+")
APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
STOP_WORDS = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "has", "have", "if", "in", "into", "is"}
    | {"it", "its", "no", "not", "of", "on", "or", "such", "than", "that", "the", "their", "then", "there", "these"}
    | {"they", "this", "to", "was", "were", "which", "while", "will", "with"}
)


def words_of(text: str) -> list[str]:
    """Words in order, in lower case, without accents: "Café, dogs' bowls" → cafe, dogs, bowls."""
    return WORD.findall(APOSTROPHE.sub("", _plain(text)))


def stems_of(words: list[str]) -> list[str]:
    """The stem of each word, so that "dogs" finds "dog"."""
    # A Stemmer keeps a buffer and a cache and must not be shared by threads; making one takes less than a microsecond.
    stems: list[str] = Stemmer.Stemmer("english").stemWords(words)
    return stems


def _plain(text: str) -> str:
    lower = text.casefold()
    if lower.isascii():
        return lower
    return "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
