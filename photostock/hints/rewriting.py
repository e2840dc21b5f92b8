"""From what a person typed to what is searched for: replacements, then spelling, then the words that hints add.

Each hint is applied to what the person meant, never to what another hint added, so hints can't chase each other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from photostock.hints.rules import Hint, HintKind, Hints, Match, contains, words_in
from photostock.hints.spelling import Speller
from photostock.words import tokens_of, words_of

MAX_QUERY_CHARS = 600  # of a query with its hints; what does not fit is left out as a whole
SPELLING = "spelling"


class Change(NamedTuple):
    """One thing that was changed, and by which hint."""

    hint_id: str  # or `SPELLING`
    kind: str
    when: str
    then: str
    before: str  # the words that were typed
    after: str  # what they were read as


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What is searched for. `corrected` is the query as a person would have to type it to need no spelling, or None."""

    query: str
    text: str
    changes: tuple[Change, ...] = ()
    corrected: str | None = None

    def shown(self) -> list[dict[str, Any]]:
        """The changes as an explanation names them."""
        return [
            {"id": c.hint_id, "kind": c.kind, "when": c.when, "then": c.then, "from": c.before, "to": c.after}
            for c in self.changes
        ]


def rewrite(query: str, hints: Hints, speller: Speller | None) -> Rewritten:
    """The query with all that the hints and the spelling make of it; without a speller, with the hints alone."""
    text = query if query.isascii() else unicodedata.normalize("NFC", query)
    text, replaced = _replaced(text, hints)
    text, spelt, corrected = _spelt(text, hints, speller)
    text, added = _with_additions(text, hints)
    changes = (*replaced, *spelt, *added)
    return Rewritten(query, text, changes, corrected) if changes else Rewritten(query, query)


def hints_behind(changes: Sequence[Change], queries: Iterable[str], *, left_out: Collection[str] = ()) -> Hints:
    """The hints that made these changes to queries, without what else is known of them.

    Spelling leaves alone what it left alone then, but for the words of hints that are left out.
    """
    typed = {word for query in queries for word in words_of(query)}
    loose = {word for one in changes for word in words_of(one.when) if one.hint_id in (SPELLING, *left_out)}
    loose.update(word for one in changes for word in words_of(one.then) if one.hint_id in left_out)
    kept = [one for one in changes if one.hint_id != SPELLING and one.hint_id not in left_out]
    back = {one.hint_id for one in kept if one.after == f"{one.before} {one.when}"}  # read from `then` to `when`
    found = {
        one.hint_id: Hint(
            one.hint_id, one.when, one.then, "", "", "", kind=cast(HintKind, one.kind), both_ways=one.hint_id in back
        )
        for one in kept
    }
    return Hints(tuple(found.values()), frozenset(typed - loose))


def _replaced(text: str, hints: Hints) -> tuple[str, list[Change]]:
    if not hints.replacements:
        return text, []
    tokens = tokens_of(text)
    changes: list[Change] = []
    for match in reversed(hints.replacements.longest_matches(words_in(tokens))):
        start, end = tokens[match.start].start, tokens[match.end - 1].end
        if len(text) - (end - start) + len(match.says) <= MAX_QUERY_CHARS:
            changes.insert(0, _change(match, text[start:end], match.says))
            text = text[:start] + match.says + text[end:]
    return text, changes


def _spelt(text: str, hints: Hints, speller: Speller | None) -> tuple[str, list[Change], str | None]:
    if speller is None:
        return text, [], None
    spelt = speller.correct(text, leave=hints.never_corrected)
    if not spelt.corrections or len(spelt.text) > MAX_QUERY_CHARS:
        return text, [], None
    changes = [Change(SPELLING, SPELLING, one.written, one.meant, *one) for one in spelt.corrections]
    return spelt.text, changes, spelt.text


def _with_additions(text: str, hints: Hints) -> tuple[str, list[Change]]:
    if not hints.additions:
        return text, []
    tokens = tokens_of(text)
    whole = text
    changes: list[Change] = []
    for match in hints.additions.matches(words_in(tokens)):
        longer = f"{whole} {match.says}"
        if len(longer) <= MAX_QUERY_CHARS and words_of(match.says) and not contains(whole, match.says):
            said = text[tokens[match.start].start : tokens[match.end - 1].end]
            changes.append(_change(match, said, f"{said} {match.says}"))
            whole = longer
    return whole, changes


def _change(match: Match, before: str, after: str) -> Change:
    hint = match.hint
    return Change(hint.id, hint.kind, hint.when, hint.then, before, after)
