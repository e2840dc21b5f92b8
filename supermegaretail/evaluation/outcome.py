"""What was really sold after an origin, and what the errors are weighed and scaled by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from common.command_line import Failed
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import CHANNELS, SALES, Floats32, Series, known_demand, past, windows

PRICE = CHANNELS.index("price")
STEPS_DAYS = 366  # before the origin, from which a series' usual step is taken
REVENUE_DAYS = 28


@dataclass(frozen=True, slots=True)
class Outcome:
    """n items that were known at the origin, and their next `horizon` days."""

    as_of: date
    items: list[Key]
    sold: Floats  # [n, horizon] units, NaN where not known
    step: Floats  # [n] mean squared step from one day to the next before the origin: what RMSSE is scaled by
    revenue: Floats  # [n] of the 28 days before the origin; units where no price is known at all
    price: Floats  # [n, horizon] of one unit, the series' last known one where a day has none; NaN where never known
    before: Floats32  # [n, channels, 56] the days up to the origin
    during: Floats32  # [n, channels, horizon] the days after it


def outcome(history: SalesHistory, *, as_of: date, horizon_days: int) -> Outcome:
    """What happened in the window after `as_of`, of every item with a known day of sales before."""
    known, _ = history.stable(list(history.panel.places), as_of=as_of)
    items = [item for item, is_known in zip(history.panel.places, known, strict=True) if is_known]
    series = [history.panel.series[history.panel.places[item]] for item in items]
    day = np.full(len(items), as_of.toordinal())
    during, before = windows(series, day + 1, days=horizon_days), past(series, day, days=2 * MAX_HORIZON_DAYS)
    last_price = _last_known(before[:, PRICE])
    price = during[:, PRICE].astype(np.float64)
    return Outcome(
        as_of,
        items,
        sold=during[:, SALES].astype(np.float64),
        step=_usual_step(series, as_of),
        revenue=_revenue(before, last_price),
        price=np.where(np.isfinite(price), price, last_price[:, None]),
        before=before,
        during=during,
    )


def origins(history: SalesHistory, *, horizon_days: int, count: int) -> list[date]:
    """`count` days, one horizon apart, the last one horizon before the last day known.

    Raises `Failed` where they leave too little to learn from.
    """
    if history.last_day is None:
        raise Failed("there is not one day of sales")
    first = min(one.first_observed for one in history.panel.series)
    if history.last_day.toordinal() - count * horizon_days - first < 2 * MAX_HORIZON_DAYS:
        raise Failed(
            f"the sales are too few: of {count} × {horizon_days} days that are forecast, less than "
            f"{2 * MAX_HORIZON_DAYS} days before the first would be left to learn from"
        )
    return [history.last_day - timedelta(days=horizon_days * back) for back in range(count, 0, -1)]


def _usual_step(series: list[Series], as_of: date) -> Floats:
    day = np.full(len(series), as_of.toordinal())
    squares = np.diff(known_demand(past(series, day, days=STEPS_DAYS)).astype(np.float64), axis=1) ** 2
    return np.asarray(np.nansum(squares, axis=1) / np.maximum(np.isfinite(squares).sum(1), 1))


def _revenue(before: Floats32, last_price: Floats) -> Floats:
    sales, price = before[:, SALES, -REVENUE_DAYS:], before[:, PRICE, -REVENUE_DAYS:]
    if not np.isfinite(last_price).any():
        return np.asarray(np.nansum(sales, axis=1, dtype=np.float64))
    usual = np.where(np.isfinite(last_price), last_price, np.nanmedian(last_price))
    paid = np.where(np.isfinite(price), price, usual[:, None])
    return np.asarray(np.nansum(sales * paid, axis=1, dtype=np.float64))


def _last_known(values: Floats32) -> Floats:
    """The newest known value of each row [n, days]; NaN where there is none."""
    known = np.isfinite(values)
    newest = values.shape[1] - 1 - known[:, ::-1].argmax(1)
    return np.where(known.any(1), values[np.arange(len(values)), newest], np.nan).astype(np.float64)
