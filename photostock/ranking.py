"""The one order in which rows are ranked: by score, best first, equal ones by row, so that it never varies."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Number = TypeVar("Number", bound=np.floating[Any])

RERANK_DEPTH = 20  # candidates that the reranker is asked about; it scores as many as there is time for


def best(rows: Rows, scores: npt.NDArray[Number], *, limit: int) -> tuple[Rows, npt.NDArray[Number]]:
    """The first `limit` rows and their scores; sorts only what can be among them."""
    if 0 < limit < len(rows):
        enough = scores >= np.partition(scores, -limit)[-limit]
        rows, scores = rows[enough], scores[enough]
    order = np.lexsort((rows, -scores))[:limit]
    return rows[order], scores[order]
