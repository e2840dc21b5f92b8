"""The seasonal moving average: needs no model, only one day of sales.

Recent level (mean of the last 7, 14 and 28 days) × weekday profile (eight weeks of the product's own sales, filled up
with the store's profile for products that sell little) × what holidays and events do to the store's sales. Days
censored by a stock-out are unknown, not low.
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
    return average_of(stable, history.special(items, as_of=as_of, horizon_days=horizon_days))


def average_of(stable: Floats, special: Floats) -> Floats:
    """The same from STABLE features [n, STABLE] and factors of special days [n, horizon] that are at hand already."""
    level = stable[:, STABLE.index("level"), None] - LOWEST_LEVEL
    weekday = STABLE.index("weekday_1") + np.arange(special.shape[1]) % 7
    return np.asarray(level * stable[:, weekday] * special)


def plausible_maximum(history: SalesHistory, items: Sequence[Key], *, as_of: date) -> Floats:
    """The most units a day [n] that an answer about each item may hold; more is nonsense, whoever says it."""
    return np.maximum(PLAUSIBLE_FACTOR * history.highest_sales(items, as_of=as_of), PLAUSIBLE_UNITS)
