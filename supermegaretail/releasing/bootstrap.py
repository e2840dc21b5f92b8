"""How far a figure may be off by chance: a paired bootstrap.

Items are drawn again and again with all their days, and days with all their items; errors of one item are alike, and so
are those of one day. The wider of the two counts. Both versions are always judged on the same draw (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from supermegaretail.features import Floats

DRAWS = 1_000
SEED = 1  # the same figures give the same verdict
Statistic = Callable[[Floats], Floats]


def estimate(columns: Floats, statistic: Statistic) -> tuple[float, float]:
    """The statistic and its standard error.

    Args:
        columns: [k, n, horizon] amounts of each item and day, NaN where not known.
        statistic: of sums [..., k], for example their ratio.
    """
    known = np.nan_to_num(columns)
    random = np.random.default_rng(SEED)
    widest = 0.0
    for over in (2, 1):
        sums = known.sum(over).T  # [clusters, k]
        sums = sums[(sums != 0).any(1)]
        clusters = max(len(sums), 1)
        if clusters < 2:
            return float(statistic(known.sum((1, 2)))), float("inf")
        drawn = random.multinomial(clusters, [1 / clusters] * clusters, size=DRAWS) @ sums
        widest = max(widest, float(np.nanstd(statistic(drawn))))
    return float(statistic(known.sum((1, 2)))), widest
