"""Not a page full of one photographer: who has many good photos gets some of them shown a little later.

Of every 20 results at most 3 are by the same person, as long as the 100 best results have others to offer. Nobody is
left out: who steps back stands on the next page. Photos whose photographer is unknown are not counted as one person's.
It is the first stage's order that is spread; the reranker then moves photos within the first 20 places only.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

WINDOW = 100  # the results that change places with each other: the same ones whatever page is asked for
BLOCK = 20
MOST_PER_BLOCK = 3
UNKNOWN = 0  # the code of nobody

Places: TypeAlias = npt.NDArray[np.int64]


def spread(photographers: npt.NDArray[np.integer[Any]]) -> Places | None:
    """The places of results, best first, in their new order; None if nothing changes.

    Args:
        photographers: a code for each result in the order of relevance, `UNKNOWN` where there is none.
    """
    left = np.arange(min(WINDOW, len(photographers)))
    if not _too_many(photographers[left]).any():
        return None
    blocks: list[Places] = []
    while len(left):
        waiting = _too_many(photographers[left])
        chosen = np.flatnonzero(~waiting)[:BLOCK]
        if len(chosen) < BLOCK:  # there are no others
            chosen = np.concatenate([chosen, np.flatnonzero(waiting)[: BLOCK - len(chosen)]])
        blocks.append(left[chosen])
        left = np.delete(left, chosen)
    return np.concatenate([*blocks, np.arange(WINDOW, len(photographers))])


def _too_many(photographers: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Which of these come after `MOST_PER_BLOCK` others of the same photographer."""
    order = np.argsort(photographers, kind="stable")
    ranked = photographers[order]
    first = np.searchsorted(ranked, ranked)
    waiting = np.zeros(len(photographers), dtype=np.bool_)
    waiting[order] = (np.arange(len(ranked)) - first >= MOST_PER_BLOCK) & (ranked != UNKNOWN)
    return waiting
