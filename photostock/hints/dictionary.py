"""English words that spelling leaves alone although no photo has them: the word list of pyspellchecker."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files


def english_words() -> frozenset[str]:
    """About 130,000 words in lower case, a to z only. Takes a fraction of a second: for the start of a process."""
    packed = (files("spellchecker") / "resources" / "en.json.gz").read_bytes()
    return frozenset(word for word in json.loads(gzip.decompress(packed)) if word.isascii() and word.isalpha())
