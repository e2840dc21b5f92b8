"""What is nearest to what, and in which order; also among equals, and of few."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from photostock.index.vectors import VectorIndex

VECTORS, DIMENSIONS = 60, 16


def index() -> dict[str, Any]:
    """What is nearest to what, and in which order; also among equals, and of few."""
    vectors, found = _vectors(), VectorIndex(dimensions=DIMENSIONS)
    found.add(range(30), vectors[:30])
    found.add(range(30, VECTORS), vectors[30:])
    found.remove([7, 41])
    few = np.arange(VECTORS) % 3 == 0
    answers = []
    for query, (allowed, limit) in product(vectors[::17], ((np.ones(VECTORS, dtype=np.bool_), 12), (few, 50))):
        rows, scores = found.search(query, allowed=allowed, limit=limit)
        answers.append([rows.tolist(), scores.astype(np.float64).round(4).tolist()])
    return {"found": answers}


def _vectors() -> npt.NDArray[np.float32]:
    """Unit vectors out of whole numbers; some of them equal."""
    numbers = (np.arange(VECTORS)[:, None] % 20 * 31 + np.arange(DIMENSIONS)[None, :] * 17) % 23 - 11.0
    lengths = np.sqrt((numbers**2).sum(axis=1, keepdims=True))
    vectors: npt.NDArray[np.float32] = (numbers / lengths).astype(np.float32)
    return vectors
