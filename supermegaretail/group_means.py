"""The mean of a group of series by day, over those that know the day: from the series, or from smaller groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from supermegaretail.formulas import Floats
from supermegaretail.series import AVERAGED, SALES, Floats32, Ints, Series, lent_demand, windows

MEMBERS = 256  # series or groups averaged at once


def means_of(
    series: Sequence[Series], members: Ints, group_of: Ints, start_day: int, end_day: int
) -> Iterator[tuple[int, Floats32]]:
    """Each group's mean of the averaged channels over the series that know them: [GROUP_CHANNELS, days].

    `members` are places in `series`, and `group_of` them ascends. A few are added up at a time, however many there are.
    """
    days = end_day - start_day
    if not len(members):
        return
    group, total, count = -1, np.zeros((AVERAGED, days)), np.zeros((AVERAGED, days), np.int64)
    for start in range(0, len(members), MEMBERS):
        part = [series[place] for place in members[start : start + MEMBERS].tolist()]
        values = windows(part, np.full(len(part), start_day), days=days, channels=AVERAGED)
        values[:, SALES] = lent_demand(part, values)
        known = ~np.isnan(values)
        values[~known] = 0
        numbers = group_of[start : start + MEMBERS]
        firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
        totals = np.add.reduceat(values, firsts, axis=0, dtype=np.float64)
        counts = np.add.reduceat(known, firsts, axis=0, dtype=np.int64)
        if numbers[0] == group:  # begun in the part before
            totals[0], counts[0] = totals[0] + total, counts[0] + count
        elif group >= 0:
            yield group, _mean(total, count)
        yield from zip(numbers[firsts[:-1]].tolist(), _mean(totals[:-1], counts[:-1]), strict=True)
        group, total, count = int(numbers[-1]), totals[-1], counts[-1]
    yield group, _mean(total, count)


def together(groups: Sequence[Series], start_day: int, end_day: int) -> Floats32:
    """The means over all series of these groups, which share none: [GROUP_CHANNELS, days]."""
    days = end_day - start_day
    total, count = np.zeros((AVERAGED, days)), np.zeros((AVERAGED, days))
    for start in range(0, len(groups), MEMBERS):
        part = groups[start : start + MEMBERS]
        means = windows(part, np.full(len(part), start_day), days=days)
        known = np.nan_to_num(means, copy=False).astype(np.float64)
        counts = known[:, AVERAGED:]
        total += (known[:, :AVERAGED] * counts).sum(0)
        count += counts.sum(0)
    return _mean(total, count)


def overwritten(old: Series, start_day: int, values: Floats32) -> Series:
    """A group with these means; days before the first and after the last on which anything is known take no room."""
    known = np.flatnonzero(values[AVERAGED:].any(0))
    first, end = old.first_day, old.end_day
    if known.size:
        days = start_day + int(known[0]), start_day + int(known[-1]) + 1
        first, end = (min(first, days[0]), max(end, days[1])) if old.values.shape[1] else days
    merged = np.full((len(values), end - first), np.nan, np.float32)
    old.copy_into(merged, first)
    Series(start_day, values).copy_into(merged, first)
    return Series(first, merged)


def _mean(total: Floats, count: Ints | Floats) -> Floats32:
    """Means [..., AVERAGED, days] with, as further channels, the number of series that each of them is made of."""
    with np.errstate(all="ignore"):
        means = total / count  # 0 ÷ 0: nobody knows
    return np.concatenate([means, count], axis=-2, dtype=np.float32)
