"""How far a figure may be off by chance: a paired bootstrap, for the reports that people read and for the gates.

Whole clusters are drawn again and again, for what is in one is alike: the fortnights of one product, the queries of one
photo. Both versions are always judged on the same draw (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Statistic: TypeAlias = Callable[[Floats], Floats]

RESAMPLES = 1_000
BLOCK = 50  # resamples at a time, so that memory stays small
SEED = 1  # the same figures give the same verdict


def resampled(sums: Floats, *, seed: int = SEED) -> Floats:
    """The totals of as many clusters, drawn with replacement: [RESAMPLES, k] from [clusters, k]; no rows from none."""
    clusters = len(sums)
    if clusters == 0:
        return np.zeros((0, sums.shape[1]))
    dice, chances = np.random.default_rng(seed), np.full(clusters, 1 / clusters)
    return np.concatenate([dice.multinomial(clusters, chances, size=BLOCK) @ sums for _ in range(RESAMPLES // BLOCK)])


def estimate(columns: Floats, statistic: Statistic) -> tuple[float, float]:
    """The statistic and its standard error, infinite for a single cluster.

    Items are drawn with all their days, and days with all their items, as errors of both are alike: the wider counts.

    Args:
        columns: [k, n, horizon] amounts of each item and day, NaN where not known.
        statistic: of sums [..., k], for example their ratio.
    """
    known = np.nan_to_num(columns)
    found = float(statistic(known.sum((1, 2))))
    widest = 0.0
    for over in (2, 1):
        sums = known.sum(over).T  # [clusters, k]
        sums = sums[(sums != 0).any(1)]
        if len(sums) < 2:
            return found, float("inf")
        widest = max(widest, float(np.nanstd(statistic(resampled(sums)))))
    return found, widest
