"""How far the demand of a day may lie from the moving average: quantiles from the item's own past, without any model.

For each of the last eight weeks' days the moving average of some days before is looked at, and how far the day was from
it, in square roots: there, the errors of slow and of fast products are much alike (Anscombe 1948). The newer days count
more. Five days' worth of a bell curve of the same width is mixed in, so that a short past still has tails.

Two things make the average too high for a product that just sold well, and are put right here: the level is half luck,
and returns; and days that sell out are no low days to the average, but what is sold on them is all that can be sold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import NormalDist

import numpy as np

from supermegaretail.features import STABLE, Floats
from supermegaretail.formulas import LOWEST_LEVEL
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import AVERAGED, SALES, known_demand, windows

CHUNK = 1_024  # items at once: about 4 MB
PAST_DAYS = 56
HALF_LIFE_DAYS = 28.0  # of what a past day counts
RETURNS = 0.4  # share of a level's distance from the item's usual one that is gone on the days that are forecast
LEVEL_DAYS = (7, 14, 28)
BELL_POINTS = 16
BELL_DAYS = 5.0  # so many days of the past it weighs as much as
BELL_WIDTH = 0.6  # of a past of no days; a Poisson distribution has 0.5
HALF_UNIT = 0.375  # Anscombe's constant
LEVEL, FIRST_WEEKDAY = STABLE.index("level"), STABLE.index("weekday_1")


def average_quantiles(
    history: SalesHistory, items: Sequence[Key], average: Floats, *, as_of: date, levels: Sequence[float]
) -> Floats:
    """Quantiles in units [n, levels, horizon] around the moving `average` [n, horizon]; NaN where that is NaN.

    They rise with the level and are never below 0; those of an item that is sold by the piece are whole numbers.
    """
    made = np.full((len(items), len(levels), average.shape[1]), np.nan)
    states = history.states(items, as_of=as_of)
    stable = states.values[:, : len(STABLE)]
    known = np.flatnonzero(np.isfinite(average).all(1))
    for start in range(0, len(known), CHUNK):
        rows = known[start : start + CHUNK]
        profile = stable[rows, FIRST_WEEKDAY : FIRST_WEEKDAY + 7]
        demand, sold = _past(history, [items[row] for row in rows], as_of, lag_days=_lag_days(average))
        past_levels, level = _past_levels(demand), np.maximum(stable[rows, LEVEL] - LOWEST_LEVEL, 0)
        returning, past_returning = _returning(level, past_levels)
        apart = _quantiles(_errors(sold, past_levels, profile) - past_returning, np.asarray(levels, dtype=np.float64))
        roots = np.sqrt(average[rows, None] + HALF_UNIT) + (apart + returning[:, None])[:, :, None]
        units = np.maximum(np.maximum(roots, 0) ** 2 - HALF_UNIT, 0)
        made[rows] = np.where(states.by_the_piece[rows, None, None], np.round(units), units)
    return made


def _lag_days(average: Floats) -> int:
    """How many days lie, in the middle of the horizon, between a target day and the last known one."""
    return int(average.shape[1] + 1) // 2


def _past(history: SalesHistory, items: Sequence[Key], as_of: date, *, lag_days: int) -> tuple[Floats, Floats]:
    """Known demand and sales [n, days] up to `as_of`, oldest first, NaN where unknown.

    The demand is told of enough days for the level of every past day, the sales of the last PAST_DAYS.
    """
    panel = history.panel
    days = PAST_DAYS + lag_days + max(LEVEL_DAYS) - 1
    starts = np.full(len(items), as_of.toordinal() + 1 - days)
    past = windows([panel.series[panel.places[item]] for item in items], starts, days=days, channels=AVERAGED)
    return known_demand(past).astype(np.float64), past[:, SALES, -PAST_DAYS:].astype(np.float64)


def _errors(sold: Floats, past_levels: Floats, profile: Floats) -> Floats:
    """How far each of the last PAST_DAYS lay from its moving average, in square roots [n, PAST_DAYS]; NaN: unknown."""
    days_ago = np.arange(PAST_DAYS)[::-1]
    usual = past_levels * profile[:, (-days_ago - 1) % 7]
    return np.asarray(np.sqrt(sold + HALF_UNIT) - np.sqrt(usual + HALF_UNIT))


def _returning(level: Floats, past_levels: Floats) -> tuple[Floats, Floats]:
    """How far a level [n], and each past one [n, PAST_DAYS], returns to what is usual for the item, in square roots."""
    roots = np.sqrt(np.column_stack([past_levels, level]) + HALF_UNIT)
    known = ~np.isnan(roots)
    usual = np.where(known, roots, 0).sum(1) / known.sum(1)
    returning = RETURNS * (usual[:, None] - roots)
    return np.asarray(returning[:, -1]), np.asarray(returning[:, :-1])


def _past_levels(demand: Floats) -> Floats:
    """The recent level [n, PAST_DAYS] as it was known the lag before each day: as the moving average has it."""
    total = np.pad(np.nancumsum(demand, axis=1), ((0, 0), (1, 0)))
    count = np.pad(np.cumsum(~np.isnan(demand), axis=1), ((0, 0), (1, 0)))
    ends = max(LEVEL_DAYS) + np.arange(PAST_DAYS)
    level, longer = np.zeros((len(demand), PAST_DAYS)), np.full((len(demand), PAST_DAYS), np.nan)
    for days in sorted(LEVEL_DAYS, reverse=True):
        known = count[:, ends] - count[:, ends - days]
        mean = (total[:, ends] - total[:, ends - days]) / np.maximum(known, 1)
        longer = np.where(known > 0, mean, longer)
        level += longer / len(LEVEL_DAYS)
    return np.maximum(level, LOWEST_LEVEL)


def _quantiles(errors: Floats, levels: Floats) -> Floats:
    """Of the errors [n, PAST_DAYS] and the bell curve mixed in: [n, levels]."""
    known = ~np.isnan(errors)
    counts = known * 0.5 ** (np.arange(PAST_DAYS)[::-1] / HALF_LIFE_DAYS)
    squares = counts * np.where(known, errors, 0) ** 2
    width = np.sqrt((squares.sum(1) + BELL_DAYS * BELL_WIDTH**2) / (counts.sum(1) + BELL_DAYS))
    bell = [NormalDist().inv_cdf((point + 0.5) / BELL_POINTS) for point in range(BELL_POINTS)]
    values = np.concatenate([np.where(known, errors, np.inf), width[:, None] * np.array(bell)], axis=1)
    weights = np.concatenate([counts, np.full((len(errors), BELL_POINTS), BELL_DAYS / BELL_POINTS)], axis=1)
    order = np.argsort(values, axis=1)
    values, weights = np.take_along_axis(values, order, 1), np.take_along_axis(weights, order, 1)
    reached = (np.cumsum(weights, axis=1) - weights / 2) / weights.sum(1, keepdims=True)
    return np.column_stack([_between(values, reached, level) for level in levels])


def _between(values: Floats, reached: Floats, level: float) -> Floats:
    """The value [n] at which a share of `level` is reached, between the two nearest; the outermost beyond them."""
    last = np.isfinite(values).sum(1) - 1
    above = np.minimum((reached < level).sum(1), last)[:, None]
    below = np.maximum(above - 1, 0)
    low, high = (np.take_along_axis(values, at, 1)[:, 0] for at in (below, above))
    start, end = (np.take_along_axis(reached, at, 1)[:, 0] for at in (below, above))
    part = np.clip((level - start) / np.maximum(end - start, 1e-12), 0, 1)
    return np.asarray(low + part * (high - low))
