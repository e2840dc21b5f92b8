"""nDCG@10 of queries that have one right answer each: wherever answers are judged, by this one formula."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def gain_10(ranks: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Of each rank, 0 is the first place; nothing after the tenth."""
    ranks = np.asarray(ranks)
    return np.where(ranks < 10, 1 / np.log2(ranks + 2), 0.0)
