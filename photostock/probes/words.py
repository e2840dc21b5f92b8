"""How texts become words and stems, and what is found by them."""

from __future__ import annotations

from typing import Any

import numpy as np

from photostock.lexical import LexicalIndex
from photostock.probes.texts import TEXTS
from photostock.words import stems_of, words_of

QUERIES = (
    "dogs on the beach",
    "CAFE terraces",
    "not there",
    "the a of",
    "run",
    "sunset, boats & lakes",
    "zurich's",
    "犬が走る",
)


def words() -> dict[str, Any]:
    """How texts become words and stems, and what is found by them."""
    index, allowed = LexicalIndex(), np.ones(len(TEXTS), dtype=np.bool_)
    for row, text in enumerate(TEXTS):
        index.add(row, text)
    index.remove(6)
    found = [index.search(query, allowed=allowed, limit=5) for query in QUERIES]
    return {
        "words": [words_of(text) for text in (*TEXTS, *QUERIES)],
        "stems": [stems_of(words_of(text)) for text in TEXTS],
        "found": [[rows.tolist(), scores.astype(np.float64).round(4).tolist()] for rows, scores in found],
        "containing": [np.flatnonzero(index.mask_containing([word])).tolist() for word in ("dog", "Café", "the")],
    }
