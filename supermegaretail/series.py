"""One product in one store (or the mean of a group of them) day by day, and windows of days cut out of many.

A channel is one column of the sales table as numbers; NaN is unknown, never zero. Days are ordinals (`date.toordinal`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from supermegaretail.quality.limits import LIMITS

Floats32: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

X_SLOTS = 4  # so many columns x_… take part, in the order in which the table has them
CHANNELS = (
    *("sales", "stockout_hours", "discount", "promotion", "price", "holiday", "event"),
    *(f"x_{slot}" for slot in range(1, X_SLOTS + 1)),
)
SALES, STOCKOUT, EVENT = (CHANNELS.index(name) for name in ("sales", "stockout_hours", "event"))
AVERAGED = 4  # of so many channels groups keep the mean, with known demand in the place of sales,
GROUP_CHANNELS = 2 * AVERAGED  # and for each of them in how many series it was known
CENSORED_FROM_HOURS = 12  # out of stock for so much of a day, its sales say nothing about demand
LOWERED_FROM_HOURS = 9  # from here on they say "at least so much": not counted when it is far from the usual,
LOWERED_BELOW = 0.6  # that is below this share of it
MOST_DAYS = 4_000  # to either side of the middle of what is known: eleven years; each day takes memory, known or not
NEVER = date.max.toordinal()


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What is known by channel and day, sales and plans alike."""

    first_day: int
    values: Floats32  # [channels, days]
    first_observed: int = NEVER  # first day whose sales are known
    last_observed: int = 0
    first_sale: int = NEVER  # first day with sales above 0
    highest_sales: float = 0.0  # most units on any day
    good_day: float = math.inf  # units of one; NaN: a single day tells none; infinity: no day is high enough to ask

    @property
    def end_day(self) -> int:
        return self.first_day + int(self.values.shape[1])

    @classmethod
    def of(cls, first_day: int, values: Floats32) -> Series:
        """A series with its landmarks looked up."""
        sales = values[SALES]
        observed, sold = (~np.isnan(sales)).nonzero()[0], (sales > 0).nonzero()[0]
        return cls(
            first_day,
            values,
            first_observed=first_day + int(observed[0]) if observed.size else NEVER,
            last_observed=first_day + int(observed[-1]) if observed.size else 0,
            first_sale=first_day + int(sold[0]) if sold.size else NEVER,
            highest_sales=float(sales[sold].max()) if sold.size else 0.0,
            good_day=_good_day(sales[observed]),
        )

    @property
    def most_believed(self) -> float:
        """A day that sold more is taken for a mistake, as the check `impossible.huge` does."""
        return max(LIMITS.huge_units, LIMITS.huge_times * self.good_day)  # the former beside NaN

    @property
    def mistaken_days(self) -> Ints:
        """The days whose sales are taken for mistakes."""
        if self.highest_sales <= self.most_believed:
            return np.empty(0, np.int64)
        return self.first_day + np.flatnonzero(self.values[SALES] > self.most_believed)

    def copy_into(self, window: Floats32, start_day: int) -> None:
        """Fills `window` [channels, days], which begins on `start_day`, where this series has days."""
        low, high = max(start_day, self.first_day), min(start_day + window.shape[1], self.end_day)
        if low < high:
            known = self.values[: len(window), low - self.first_day : high - self.first_day]
            window[:, low - start_day : high - start_day] = known

    def last_report(self, as_of: int) -> int:
        """The last day on or before `as_of` whose sales are known; 0 if there is none."""
        if as_of >= self.last_observed:
            return self.last_observed
        known = np.flatnonzero(~np.isnan(self.values[SALES, : max(as_of + 1 - self.first_day, 0)]))
        return self.first_day + int(known[-1]) if known.size else 0

    def highest_until(self, as_of: int) -> float:
        """The most units sold on a day up to `as_of`; 0 if none are known."""
        if as_of >= self.last_observed:
            return self.highest_sales
        return float(np.fmax.reduce(self.values[SALES, : max(as_of + 1 - self.first_day, 0)], initial=0))


def past(series: Sequence[Series], as_of: Ints, *, days: int, channels: int | None = None) -> Floats32:
    """The `days` up to and including each series' own `as_of`, oldest first: float32 [n, channels, days]."""
    return windows(series, as_of - days + 1, days=days, channels=channels)


def ahead(series: Sequence[Series], as_of: Ints, *, days: int, channels: int | None = None) -> Floats32:
    """Each series' `as_of` and the `days` after it, without sales and stock-outs: float32 [n, channels, 1 + days]."""
    planned = windows(series, as_of, days=1 + days, channels=channels)
    planned[:, : STOCKOUT + 1] = np.nan
    return planned


def known_demand(values: Floats32) -> Floats32:
    """Sales [..., days] out of values [..., channels, days], NaN on days that a stock-out censored."""
    censored = values[..., STOCKOUT, :] >= CENSORED_FROM_HOURS
    return np.where(censored, np.float32(np.nan), values[..., SALES, :])


def lent_demand(series: Sequence[Series], values: Floats32) -> Floats32:
    """`known_demand` [n, days] of windows of these series as groups are told it: a mistaken day is a good one."""
    return believed(series, known_demand(values))


def believed(series: Sequence[Series], sales: Floats32) -> Floats32:
    """`sales` [n, days] of these series with a good day in place of every mistaken one; overwrites them."""
    for row in np.flatnonzero((sales > LIMITS.huge_units).any(1)).tolist():
        sales[row, sales[row] > series[row].most_believed] = series[row].good_day
    return sales


def usual_demand(values: Floats32) -> Floats32:
    """`known_demand` of windows of weeks, without the days that sold out early with far less than the usual sales.

    A product that was gone at noon did not have half a day's demand. The other days that sold out stay as they are:
    stock runs out on days of high demand, so that on the FreshRetailNet extract a day without stock for 4, 7 or 10 of
    16 hours still sells 1.07, 0.93 or 0.84 of a day in stock. Scaling sales up by the missing hours is far too much.
    """
    demand, stockout_hours = known_demand(values), values[..., STOCKOUT, :]
    lowered = stockout_hours >= LOWERED_FROM_HOURS
    if not lowered.any():
        return demand
    in_stock = ~lowered & ~np.isnan(demand)
    days = in_stock.sum(-1, keepdims=True)
    usual = np.where(in_stock, demand, 0).sum(-1, keepdims=True) / np.maximum(days, 1)
    return np.where(lowered & (demand < LOWERED_BELOW * usual) & (days > 0), np.float32(np.nan), demand)


def windows(series: Sequence[Series], starts: Ints, *, days: int, channels: int | None = None) -> Floats32:
    """`days` from each series' own start on: float32 [n, channels, days], NaN where a series has no such day."""
    if channels is None:
        channels = len(series[0].values) if series else 0
    cut = np.full((len(series), channels, days), np.nan, np.float32)
    for window, one, start in zip(cut, series, starts.tolist(), strict=True):
        # `copy_into` written out, because this is the one loop over series that is run for every question
        values, offset = one.values, start - one.first_day
        known_days = values.shape[1]
        if 0 <= offset <= known_days - days:
            window[:] = values[:channels, offset : offset + days]
        elif -days < offset < known_days:
            low, high = max(offset, 0), min(offset + days, known_days)
            window[:, low - offset : high - offset] = values[:channels, low:high]
    return cut


def _good_day(sales: Floats32) -> float:
    """What good days sell of the known `sales`, the best one left out; later days are looked at as well as earlier.

    Days without sales tell nothing of good days: what sells in its season alone has hardly any others.
    """
    if not len(sales) or sales.max() <= LIMITS.huge_units:  # nearly always
        return math.inf
    others = np.sort(sales[sales > 0])[:-1]
    return float(np.quantile(others, LIMITS.good_day, method="higher")) if len(others) else math.nan
