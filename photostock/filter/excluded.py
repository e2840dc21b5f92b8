"""Words that a photo must not have: `exclude=beach, "ice cream"`, or a minus in the query, as in `dog -beach`.

An entry excludes the photos whose text has all of its words, in any form and any order: `dogs` excludes "dog", and
`ice-cream` or `"ice cream"` excludes "cream with ice", but not "ice" alone.
"""

from __future__ import annotations

import re

from photostock.words import MARK

_ENTRY = re.compile(r'"([^"]*)"|([^\s,"]+)')
_MINUS = re.compile(rf'(?:(?<=\s)|^)-(?:"([^"]*)"|(\w(?:[\w\'’-]|{MARK})*))')


def entries_of(exclude: str | None) -> list[str]:
    """The entries of an `exclude`: words or "phrases", with commas or spaces between them."""
    return [phrase or word for phrase, word in _ENTRY.findall(exclude or "") if (phrase or word).strip()]


def without_minus(query: str) -> tuple[str, list[str]]:
    """The query without its words with a minus, and these; one that has no other words is left as it is."""
    excluded = [phrase or word for phrase, word in _MINUS.findall(query) if (phrase or word).strip()]
    text = " ".join(_MINUS.sub(" ", query).split())
    return (text, excluded) if text and excluded else (query, [])
