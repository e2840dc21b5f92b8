"""Why an answer has no photo, in a code and a sentence, and what would find some."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from photostock.contract import SearchFields, Suggestion, ZeroResults
from photostock.filter.filter import Conditions
from photostock.finding import Wanted
from photostock.library import Library
from photostock.ranking import Mask
from photostock.wanting import conditions_of, excluded_by

CONDITIONS = {
    "orientation": "any orientation",
    "color": "any colour",
    "licence": "any licence",
    "as_of": "photos of any date",
}


def why_empty(library: Library, wanted: Wanted, found: int) -> ZeroResults:
    """For an answer without results.

    Args:
        found: rows that the search brought, before its page was cut out.
    """
    fields = wanted.fields
    if found:
        return _beyond_the_end(fields, found)
    if not (everything := _count(library.allowed(Conditions()))):
        return ZeroResults(
            code="empty_catalogue", sentence="There is no photo in the catalogue that may be shown.", suggestions=[]
        )
    allowed = _count(wanted.allowed)
    if allowed and fields.min_score is not None:
        sentence = f"No photo scores {fields.min_score:g} or more for this query."
        without = _dropped("min_score", "Ask for no minimum score", allowed)
        return ZeroResults(code="min_score_too_high", sentence=sentence, suggestions=[without])
    if allowed:
        return ZeroResults(code="no_match", sentence="No photo answers this query.", suggestions=[])
    suggestions = _fewer_conditions(library, fields) or [_dropped("all", "Drop all conditions", everything)]
    return ZeroResults(code="conditions", sentence="No photo fits all of the conditions.", suggestions=suggestions)


def _beyond_the_end(fields: SearchFields, found: int) -> ZeroResults:
    last = -(-found // fields.per_page)
    sentence = f"The results end with page {last}."
    back = Suggestion(change="page", to=str(last), found=found, sentence=f"Go to page {last}.")
    return ZeroResults(code="page_beyond_the_end", sentence=sentence, suggestions=[back])


def _fewer_conditions(library: Library, fields: SearchFields) -> list[Suggestion]:
    """Each condition that leaves photos when it alone is dropped; `query` stands for words with a minus in it."""
    asked = conditions_of(fields)
    excluded = excluded_by(fields, library)
    suggestions = [
        _dropped(name, f"Ask for {words}", _count(library.allowed(replace(asked, **_nothing(name))), excluded))
        for name, words in CONDITIONS.items()
        if getattr(asked, name) is not None
    ]
    if excluded is not None:
        name = "exclude" if fields.exclude else "query"
        suggestions.append(_dropped(name, "Exclude no words", _count(library.allowed(asked))))
    return [suggestion for suggestion in suggestions if suggestion.found]


def _nothing(name: str) -> dict[str, Any]:
    return {name: None}


def _count(allowed: Mask, excluded: Mask | None = None) -> int:
    return int(np.count_nonzero(allowed if excluded is None else allowed & ~excluded[: len(allowed)]))


def _dropped(name: str, wish: str, found: int) -> Suggestion:
    photos = "1 photo" if found == 1 else f"{found:,} photos"
    return Suggestion(change=name, to=None, found=found, sentence=f"{wish}: {photos}.")
