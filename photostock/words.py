"""Text to words, for search by words: the same for documents, queries and excluded words."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain, pairwise
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


# Marks are no letters to `re`. Those of class 1, of 10 to 36 and from 200 on are accents and points, without which a
# word is the same word; others are vowels and parts of letters, as in Hindi or Thai. Joiners show nothing.
MARKS = frozenset(letter for letter in map(chr, range(0x300, 0x1F000)) if unicodedata.category(letter) in ("Mn", "Mc"))
INVISIBLE = frozenset("\u034f\u180b\u180c\u180d\u200c\u200d") | frozenset(map(chr, range(0xFE00, 0xFE10)))
LEFT_OUT = INVISIBLE | {
    letter for letter in MARKS if (at := unicodedata.combining(letter)) == 1 or 10 <= at <= 36 or at >= 200
}
INSIDE_WORDS = MARKS | INVISIBLE
MARK = f"[{''.join(sorted(INSIDE_WORDS))}]"
_MARKED = rf"[^\W_]+(?:{MARK}+[^\W_]*)*"
MARKED_WORD = re.compile(_MARKED)
MARKED_TOKEN = re.compile(rf"{_MARKED}(?:['’]{_MARKED})*")
# Scripts that leave no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese; and of these the characters
# that mean something alone.
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_UNSPACED = rf"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff{_HAN}"
UNSPACED_RUN = re.compile(rf"((?:(?!{MARK})[{_UNSPACED}]{MARK}*)+)")
LETTER_WITH_MARKS = re.compile(rf".{MARK}*")
HAN = re.compile(f"[{_HAN}]")


def words_of(text: str) -> list[str]:
    """Words in order, in lower case, without accents: "Café, dogs' bowls" → cafe, dogs, bowls."""
    plain = APOSTROPHE.sub("", _plain(text))
    return (WORD if plain.isascii() or MARKS.isdisjoint(plain) else MARKED_WORD).findall(plain)


def terms_of(words: list[str]) -> list[str]:
    """What is looked up of these words: themselves, but where a script has no spaces between them its letters two by
    two, and each character that means something alone: 犬が走る → 犬が, が走, 走る, 犬, 走."""
    if "".join(words).isascii():
        return words
    return list(chain.from_iterable([word] if word.isascii() else _terms_of(word) for word in words))


def _terms_of(word: str) -> list[str]:
    terms: list[str] = []
    for place, part in enumerate(UNSPACED_RUN.split(word)):  # every second part is such a run
        letters = LETTER_WITH_MARKS.findall(part) if place % 2 else []
        if len(letters) > 1:
            terms += map("".join, pairwise(letters))
            terms += filter(HAN.match, letters)
        elif part:
            terms.append(part)
    return terms


class Token(NamedTuple):
    """A word of a text as it is compared, and where it is written."""

    word: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The words of `words_of`, each with its place in a text that is in NFC form."""
    if text.isascii():  # nearly always, and six times as fast
        return [Token(found[0].replace("'", ""), *found.span()) for found in TOKEN.finditer(text.lower())]
    pattern = TOKEN if INSIDE_WORDS.isdisjoint(text) else MARKED_TOKEN
    tokens = (Token("".join(words_of(found[0])), *found.span()) for found in pattern.finditer(text))
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
    return "".join(letter for letter in unicodedata.normalize("NFKD", lower) if letter not in LEFT_OUT)
