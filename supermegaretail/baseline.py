"""The seasonal moving average: needs no model, only one day of sales.

Recent level (mean of the last 7, 14 and 28 days) × weekday profile (eight weeks of the product's own sales, filled up
with the store's profile for products that sell little). Days censored by a stock-out are unknown, not low.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from supermegaretail.features import STABLE, Floats
from supermegaretail.formulas import LOWEST_LEVEL
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key

PLAUSIBLE_FACTOR = 10  # a promotion may well multiply the best day so far, but not by so much
PLAUSIBLE_UNITS = 10  # and of a product that never sold a few pieces may still go


def moving_average(history: SalesHistory, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Floats:
    """Demand in units [n, horizon]; NaN in the rows of items without a known day of sales on or before `as_of`."""
    _, stable = history.stable(items, as_of=as_of)
    return average_of(stable, horizon_days=horizon_days)


def average_of(stable: Floats, *, horizon_days: int) -> Floats:
    """The same from STABLE features [n, STABLE] that are at hand already."""
    level = stable[:, STABLE.index("level"), None] - LOWEST_LEVEL
    return np.asarray(level * stable[:, STABLE.index("weekday_1") + np.arange(horizon_days) % 7])


def plausible_maximum(history: SalesHistory, items: Sequence[Key], *, as_of: date) -> Floats:
    """The most units a day [n] that an answer about each item may hold; more is nonsense, whoever says it."""
    return np.maximum(PLAUSIBLE_FACTOR * history.highest_sales(items, as_of=as_of), PLAUSIBLE_UNITS)
