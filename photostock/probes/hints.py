"""What hints make of queries."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from photostock.hints.rewriting import rewrite
from photostock.hints.rules import KINDS, Hint, Hints

PAIRS = (
    ("dog", "puppy"),
    ("new york", "manhattan skyline"),
    ("DOG", "spaniel"),
    ("café", "coffee"),
    ("york", "town"),
    ("sea", "ocean"),
    ("old town", "city centre"),
    ("zzyzx", ""),
)
QUERIES = ("a Dog runs", "dogs", "New   York, at night", "york new", "the café", "", "dog sea", "dog " * 200)


def hints() -> dict[str, Any]:
    """What each kind of hint makes of queries, one way and both ways."""
    kinds = cycle(kind for kind in KINDS if kind != "never_correct")
    known = Hints(
        tuple(
            Hint(str(place), when, then, "o", "r", "", kind if then else "never_correct", both_ways=place % 2 == 1)
            for place, ((when, then), kind) in enumerate(zip(PAIRS, kinds, strict=False))
        )
    )
    rewritten = [rewrite(query, known, None) for query in QUERIES]
    return {"rewritten": [[one.text, [change.hint_id for change in one.changes]] for one in rewritten]}
