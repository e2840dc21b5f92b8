"""Hints: a small knowledge base that anyone can edit and that helps the models by changing their *input*.

It is live at once; retraining takes weeks. The kinds:

    synonym       the words of `then` are looked for as well; with `both_ways`, `when` for `then`, too
    name          the same for a name that no photo says: what it stands for in the words of the catalogue
    replacement   `then` is looked for instead: another spelling, an abbreviation
    never_correct the words of `when` are right as they are, whatever spelling thinks
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from photostock.words import Token, tokens_of, words_of

HintKind: TypeAlias = Literal["synonym", "replacement", "name", "never_correct"]
KINDS: tuple[HintKind, ...] = ("synonym", "replacement", "name", "never_correct")
Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """What an operator told us; `then` is empty for `never_correct`, `ends_at` is an ISO time or None."""

    id: str
    when: str
    then: str
    owner: str
    reason: str
    created_at: str
    kind: HintKind = "synonym"
    both_ways: bool = False
    ends_at: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Match(NamedTuple):
    """A hint that fits the words from `start` to before `end`, and what it says there."""

    hint: Hint
    start: int
    end: int
    says: str


class _Entry(NamedTuple):
    when: Words
    says: str
    hint: Hint


class PhraseBook:
    """Phrases by their first word, so that a query costs the same beside ten hints and ten thousand."""

    def __init__(self, entries: Iterable[tuple[Hint, str, str]]) -> None:
        self._by_first: dict[str, list[_Entry]] = {}
        for hint, when, says in entries:
            if words := tuple(words_of(when)):
                self._by_first.setdefault(words[0], []).append(_Entry(words, says, hint))

    def __bool__(self) -> bool:
        return bool(self._by_first)

    def matches(self, words: Sequence[str]) -> list[Match]:
        """Every phrase that is in the words, by place; at the same place in the order in which they were added."""
        return [match for place in range(len(words)) for match in self._at(words, place)]

    def longest_matches(self, words: Sequence[str]) -> list[Match]:
        """From left to right the longest phrase at each place, none inside another; of equals the one added first."""
        found: list[Match] = []
        place = 0
        while place < len(words):
            here = self._at(words, place)
            if here:
                found.append(max(here, key=lambda match: match.end))
            place = found[-1].end if here else place + 1
        return found

    def _at(self, words: Sequence[str], place: int) -> list[Match]:
        return [
            Match(entry.hint, place, place + len(entry.when), entry.says)
            for entry in self._by_first.get(words[place], ())
            if tuple(words[place : place + len(entry.when)]) == entry.when
        ]


@dataclass(frozen=True)
class Hints:
    """All hints that are in force, ready to be applied; made anew when one changes, read by any number of threads."""

    hints: tuple[Hint, ...] = ()
    also_never_corrected: frozenset[str] = frozenset()  # words, whatever the hints say
    version: str = field(init=False)  # the knowledge base shapes answers, so it has one like everything else
    replacements: PhraseBook = field(init=False, repr=False, compare=False)
    additions: PhraseBook = field(init=False, repr=False, compare=False)
    never_corrected: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        adding = [hint for hint in self.hints if hint.kind in ("synonym", "name")]
        there = [(hint, hint.when, hint.then) for hint in adding]
        back = [(hint, hint.then, hint.when) for hint in adding if hint.both_ways]
        made: Mapping[str, object] = {
            "version": version_of(self.hints),
            "replacements": PhraseBook((h, h.when, h.then) for h in self.hints if h.kind == "replacement"),
            "additions": PhraseBook(there + back),
            # whoever wrote a hint meant its words as they are
            "never_corrected": self.also_never_corrected.union(
                word for hint in self.hints for text in (hint.when, hint.then) for word in words_of(text)
            ),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def with_hint(self, hint: Hint) -> Hints:
        """These and one more."""
        return Hints((*self.hints, hint))

    def without(self, hint_id: str) -> Hints:
        """These but one."""
        return Hints(tuple(hint for hint in self.hints if hint.id != hint_id))


def words_in(tokens: Sequence[Token]) -> list[str]:
    """The words alone."""
    return [token.word for token in tokens]


def contains(text: str, phrase: str) -> bool:
    """Are the words of the phrase side by side in the text?"""
    return f" {' '.join(words_of(phrase))} " in f" {' '.join(words_in(tokens_of(text)))} "


def version_of(hints: Sequence[Hint]) -> str:
    """Of the knowledge base: changes with whatever shapes a search."""
    if not hints:
        return "none"
    told = "\n".join(f"{hint.kind}\t{hint.both_ways:d}\t{hint.when}\t{hint.then}" for hint in hints)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
