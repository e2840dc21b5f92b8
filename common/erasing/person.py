"""A person's id as it may stand in a text, in a file, or inside of other bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

LONGEST_ID = 200
SHORTEST_IN_TEXTS = 4  # characters; a shorter id is a syllable of other words


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

    @property
    def in_texts(self) -> bool:
        """Whether the id is looked for inside of longer texts: "dog" or "2026" would be found in everybody's."""
        letters = sum(character.isalpha() for character in self.id)
        return len(self.id) >= SHORTEST_IN_TEXTS and 0 < letters < len(self.id)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The id as plain text, in JSON, and in an address."""
        escaped = json.dumps(self.id)[1:-1]
        forms = (self.id, escaped, json.dumps(self.id, ensure_ascii=False)[1:-1], quote(self.id, safe=""))
        return tuple(dict.fromkeys(forms))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _spelt(self.spellings)

    def named_in(self, text: str) -> bool:
        """Whether a text is the id or, for an id that is no ordinary word, names it."""
        return text == self.id or (self.in_texts and self._pattern.search(text) is not None)

    def without(self, text: str) -> str:
        """The text with the pseudonym wherever it names the person."""
        if text == self.id:
            return self.pseudonym
        return self._pattern.sub(self.pseudonym, text) if self.in_texts else text


def pattern_of(people: Iterable[Person]) -> re.Pattern[str]:
    """Any of these people, in texts; who has an ordinary word for an id is in no text."""
    return _spelt({spelling for person in people if person.in_texts for spelling in person.spellings})


def _spelt(spellings: Collection[str]) -> re.Pattern[str]:
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?![^\W_])")
