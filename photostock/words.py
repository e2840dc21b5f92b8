"""Text to words, for search by words: the same for documents, queries and excluded words."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import Stemmer

WORD = re.compile(r"[^\W_]+")
APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
STOP_WORDS = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "has", "have", "if", "in", "into", "is"}
    | {"it", "its", "no", "not", "of", "on", "or", "such", "than", "that", "the", "their", "then", "there", "these"}
    | {"they", "this", "to", "was", "were", "which", "while", "will", "with"}
)


def words_of(text: str) -> list[str]:
    """Words in order, in lower case, without accents: "Café, dogs' bowls" → cafe, dogs, bowls."""
    return WORD.findall(APOSTROPHE.sub("", _plain(text)))


class Token(NamedTuple):
    """A word of a text as it is compared, and where it is written."""

    word: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The words of `words_of`, each with its place in a text that is in NFC form."""
    if text.isascii():  # nearly always, and six times as fast
        return [Token(found[0].replace("'", ""), *found.span()) for found in TOKEN.finditer(text.lower())]
    tokens = (Token("".join(words_of(found[0])), *found.span()) for found in TOKEN.finditer(text))
    return [token for token in tokens if token.word]


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
