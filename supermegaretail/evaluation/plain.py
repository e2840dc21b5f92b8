"""The plainest peers: last week once more, and the mean of the last days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import SALES, past


def sales_before(history: SalesHistory, items: Sequence[Key], *, as_of: date, days: int) -> Floats:
    """Units sold on the last `days` up to `as_of`, oldest first: [n, days], NaN where not known."""
    series = [history.panel.series[history.panel.places[item]] for item in items]
    return past(series, np.full(len(items), as_of.toordinal()), days=days)[:, SALES].astype(np.float64)


def recent_mean(history: SalesHistory, items: Sequence[Key], *, as_of: date, days: int, horizon_days: int) -> Floats:
    """The mean of the last `days`' known sales for every day to come: [n, horizon]; 0 where none is known."""
    sales = sales_before(history, items, as_of=as_of, days=days)
    mean = np.nansum(sales, axis=1) / np.maximum(np.isfinite(sales).sum(1), 1)
    return np.repeat(mean[:, None], horizon_days, axis=1)


def last_week(history: SalesHistory, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Floats:
    """The sales of the same weekday last week (seasonal naive): [n, horizon]; the week's mean where one is unknown."""
    sales = sales_before(history, items, as_of=as_of, days=7)
    mean = recent_mean(history, items, as_of=as_of, days=7, horizon_days=7)
    week = np.where(np.isfinite(sales), sales, mean)
    return np.tile(week, -(-horizon_days // 7))[:, :horizon_days]
