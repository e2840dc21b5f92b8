"""A person's id as it may stand in a text, in a file, or inside of other bytes."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

LONGEST_ID = 200
JSON_CODE, URL_CODE = re.compile(r"\\u([0-9a-f]{4})"), re.compile("%[0-9A-F]{2}")
# Characters between words in hexadecimal: of ASCII, and of the 64 that follow it.
ASCII_BETWEEN = "(?:[012][0-9A-Fa-f]|3[A-Fa-f]|40|5[B-Fb-f]|60|7[B-Fb-f])"
LATIN_BETWEEN = "(?:[89][0-9A-Fa-f]|[Aa][0-9B-Fb-f]|[Bb][014678BbFf])"
ESCAPES = (  # as JSON, logs and addresses write them: these end in a letter or a digit, and a word begins after them
    r"\\[nrtbf]",
    rf"\\x{ASCII_BETWEEN}",
    rf"\\u00(?:{ASCII_BETWEEN}|{LATIN_BETWEEN})",
    r"\\u20[0-6][0-9A-Fa-f]",  # dashes, quotation marks, spaces
    rf"%{ASCII_BETWEEN}",
    rf"%[Cc]2%{LATIN_BETWEEN}",
    "%[Ee]2%8[01]%[89ABab][0-9A-Fa-f]",  # the same as U+20..
)
TWICE = tuple(escape.replace("%", "%25") for escape in ESCAPES if "%" in escape)  # of an address within an address
BEFORE = rf"(?:(?<![^\W_])|{'|'.join(f'(?<={escape})' for escape in (*ESCAPES, *TWICE))})"  # a word may begin here
# A name in place of such an id would damage what it is found in: numbers like 1e-05, times, and what JSON is made of.
NO_WORD = re.compile(
    r"""[\d:.+-]*\d(?:[eET][+-]?\d[\d:.+-]*)?Z?|[\s,:{}\[\]]*(?:true|false|null)[\s,:{}\[\]]*"""
    r"""|\s*".*|.*"\s*|.*"\s*[,:}\]].*|.*[,:{\[]\s*".*""",
    re.DOTALL,
)
SHORTEST_IN_TEXTS = 4  # characters; a shorter id is a syllable of other words
# Columns, and fields of JSON, that hold people and nothing else: only there an ordinary word is somebody.
OF_PEOPLE = (
    "actor",
    "added_by",
    "caller",
    "operator",
    "owner",
    "photographer",
    "user",
    "user_id",
    "who",
    "withdrawn_by",
)


@dataclass(frozen=True)
class Person:
    """An id, and the name that stands in its place where a record must stay.

    Args:
        hash: keyed, as `ErasureStore.person` makes it.
    """

    id: str
    hash: str

    @property
    def pseudonym(self) -> str:
        return f"erased-{self.hash[:16]}"

    @cached_property
    def in_texts(self) -> bool:
        """Whether the id is looked for inside of longer texts: "dog" or "2026" would be found in everybody's."""
        letters = sum(character.isalpha() for character in self.id)
        is_word = len(self.id) >= SHORTEST_IN_TEXTS and 0 < letters < len(self.id)
        return is_word and NO_WORD.fullmatch(self.id) is None

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The id as plain text, in JSON, in an address, and in HTML; accents as one character or as two."""
        composed = dict.fromkeys((self.id, *(unicodedata.normalize(form, self.id) for form in ("NFC", "NFD"))))
        return tuple(dict.fromkeys(spelling for text in composed for spelling in _spellings(text)))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _spelt(self.spellings)

    @cached_property
    def _value(self) -> re.Pattern[str]:
        return _as_values([self])

    def named_in(self, text: str, field: str = "") -> bool:
        """Whether a text names the person; if the id is an ordinary word, only as the value of a field of people.

        Args:
            field: the column that holds the text, if it is of one.
        """
        return self.without(text, field) != text

    def without(self, text: str, field: str = "") -> str:
        """The text with the pseudonym wherever it names the person."""
        if self.in_texts:
            return self._pattern.sub(self.pseudonym, text)
        if field in OF_PEOPLE and text == self.id:
            return self.pseudonym
        return self._value.sub(rf'\g<1>"{self.pseudonym}"', text) if _is_json(text) else text


def pattern_of(people: Iterable[Person]) -> re.Pattern[str]:
    """Any of these people, in texts; who has an ordinary word for an id is in no text."""
    return _spelt({spelling for person in people if person.in_texts for spelling in person.spellings})


def naming_any(people: Collection[Person]) -> Callable[..., bool]:
    """Tells whether a text, of a field, names one of these people; one look, however many they are."""
    words = {person.id for person in people if not person.in_texts}
    anybody, values = pattern_of(people), _as_values(people)

    def names(text: str, field: str = "") -> bool:
        if (field in OF_PEOPLE and text in words) or anybody.search(text):
            return True
        return _is_json(text) and values.search(text) is not None

    return names


def quoted_in_json(word: str) -> tuple[str, ...]:
    """An id as a value in JSON."""
    return tuple(dict.fromkeys((json.dumps(word), json.dumps(word, ensure_ascii=False))))


def _is_json(text: str) -> bool:
    return text.startswith(("{", "["))


def _as_values(people: Iterable[Person]) -> re.Pattern[str]:
    """Ordinary words, as whole values of fields of people in a JSON document, not quoted in a longer text."""
    words = sorted({quoted for person in people if not person.in_texts for quoted in quoted_in_json(person.id)})
    return re.compile(rf"""("(?:{"|".join(OF_PEOPLE)})"\s*:\s*)(?:{"|".join(map(re.escape, words)) or "(?!)"})""")


def _spellings(text: str) -> Iterator[str]:
    yield text
    in_json = json.dumps(text)[1:-1]
    for quoted in (in_json, in_json.replace("'", r"\u0027")):  # the second, within a script of a page
        yield quoted
        yield JSON_CODE.sub(lambda found: rf"\u{found[1].upper()}", quoted)
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        for once in (quoted, URL_CODE.sub(lambda found: found[0].lower(), quoted)):
            yield once
            yield quote(once)
    in_html = html.escape(text)
    yield html.escape(text, quote=False)
    yield in_html
    yield in_html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")  # as Jinja writes them


def _spelt(spellings: Collection[str]) -> re.Pattern[str]:
    longest_first = sorted(spellings, key=len, reverse=True)
    begins = "".join(sorted({re.escape(spelling[0]) for spelling in spellings if spelling})) or r"\W\w"
    any_of_them = "|".join(map(re.escape, longest_first)) or "(?!)"
    return re.compile(rf"(?=[{begins}]){BEFORE}(?:{any_of_them})(?![^\W_])")
