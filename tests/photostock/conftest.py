"""A small catalogue, an encoder of a few lines, and a reranker that does what a test wants."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from photostock.photo import Photo
from tests.photostock.tiny_model import registry, tiny  # noqa: F401  fixtures

PHOTOS = [
    Photo(
        "beach-dog", "Dog on a beach", "A wet spaniel runs along the sea", ("dog", "sea"), licence="CC0", popularity=5
    ),
    Photo("park-dog", "Dog in a park", "A terrier chases a ball", ("dog",), width=800, height=1200, popularity=9),
    Photo("cat", "Cat on a sofa", "A tabby sleeps", ("cat",), color="#cc2222", popularity=7),
    Photo(
        "bridge", "Bridge at night", "Lights over the river", ("city",), created_at="2026-05-01T12:00:00", popularity=3
    ),
    Photo("hidden", "Dog that nobody may see", "", ("dog",), safe=False, popularity=99),
]


class WordEncoder:
    """Words to a vector by hashing: texts that share words are near each other."""

    version = "1.0.0"
    dimensions = 64

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> npt.NDArray[np.float32]:
        vector = np.full(self.dimensions, 0.01, dtype=np.float32)
        for word in text.lower().replace(".", " ").replace(",", " ").split():
            digest = hashlib.sha256(word.encode()).digest()
            vector[digest[0] % self.dimensions] += 1
        return vector / np.linalg.norm(vector)


def by_id_backwards(request: dict[str, Any]) -> dict[str, Any]:
    """A reranker to which the last id is the best photo."""
    rankings = []
    for ranking in request["rankings"]:
        ids = [document["id"] for document in ranking["documents"]]
        places = {photo_id: place for place, photo_id in enumerate(sorted(ids))}
        rankings.append([{"id": photo_id, "score": float(places[photo_id])} for photo_id in ids])
    return {"version": "1.0.0", "rankings": rankings}


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"
