"""All series of the sales table in memory, and the groups that they belong to.

Four groups: the store; the finest category in the store; the product, and the finest category, across all stores.

Never changed: `updated` makes the next panel, which copies the series that the new rows touch and shares the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import polars as pl

from supermegaretail.categories import NO_CATEGORY, Category, Told, finest, latest, told_categories
from supermegaretail.columns import TAKEN_BACK
from supermegaretail.far_rows import middle_of, near, ordinals
from supermegaretail.formulas import Floats
from supermegaretail.series import (
    AVERAGED,
    CHANNELS,
    EVENT,
    GROUP_CHANNELS,
    SALES,
    X_SLOTS,
    Floats32,
    Ints,
    Series,
    known_demand,
    windows,
)

Key: TypeAlias = tuple[str, str]  # store, sku

EVENT_CODES = 4_091  # thirty names collide with a chance of a tenth; more codes make trees on them large and slow
MEMBERS = 256  # series averaged at once
RUNS = 1_024  # series whose rows are taken out of a table at once


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Series by place, groups by number, and which series is where."""

    places: Mapping[Key, int] = field(default_factory=dict)
    series: Sequence[Series] = ()
    categories: Sequence[Category] = ()  # of the series, the finest that was ever told, for the latest day
    told: Sequence[Told] = ()  # all of them: for the latest day, so what came in which order does not matter
    groups: Sequence[Series] = ()  # by day the means of their series (averaged channels), and of how many each
    group_numbers: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    group_of: Ints = field(default_factory=lambda: np.empty((4, 0), np.int64))  # number by GROUPS and place, -1: none
    x_names: tuple[str, ...] = ()  # the columns behind the channels x_1, x_2, …
    deepest: int = 0  # the finest level of category that any series was told
    middle: int = 0  # the day around which MOST_DAYS to either side are known, an ordinal; 0: nothing is known yet

    @property
    def store_of(self) -> Ints:
        """The number of each series' store among the groups [series]."""
        return np.asarray(self.group_of[0])

    @property
    def category_of(self) -> Ints:
        """Likewise of its category in its store; those without a category are one together."""
        return np.asarray(self.group_of[1])

    @property
    def product_of(self) -> Ints:
        """Likewise of its product in all stores."""
        return np.asarray(self.group_of[2])

    @property
    def chain_category_of(self) -> Ints:
        """Likewise of its category in all stores; -1 where none is told."""
        return np.asarray(self.group_of[3])

    def updated(self, rows: pl.DataFrame) -> tuple[Panel, Ints]:
        """This panel with `rows` merged in, and the places of the series that they touched.

        Rows years away from all others are left out: all days between would be held in memory, too.
        """
        if rows.is_empty():
            return self, np.empty(0, np.int64)
        middle = middle_of(rows, self.middle)
        rows = near(rows, middle)
        if rows.is_empty():
            return self, np.empty(0, np.int64)
        new_names = [name for name in rows.columns if name.startswith("x_") and name not in self.x_names]
        x_names = (*self.x_names, *new_names)[:X_SLOTS]
        places, series = dict(self.places), list(self.series)
        categories, told = list(self.categories), list(self.told)
        touched: dict[int, Key] = {}
        for key, newly_told, days, values in _runs(rows, x_names):
            place = places.setdefault(key, len(series))
            if place == len(series):
                series.append(Series(int(days[0]), np.empty((len(CHANNELS), 0), np.float32)))
                categories.append(NO_CATEGORY)
                told.append({})
            series[place] = _merged(series[place], days, values)
            if newly_told:
                told[place] = latest(told[place], newly_told)
                categories[place] = finest(told[place])
            touched[place] = key
        merged = replace(self, places=places, series=series, categories=categories, told=told)
        deepest = max(self.deepest, *(categories[place][0] for place in touched))
        merged = replace(merged, x_names=x_names, middle=middle, deepest=deepest)
        return merged._regrouped(touched, ordinals(rows)), np.array([*touched], np.int64)

    def _regrouped(self, touched: Mapping[int, Key], days: Ints) -> Panel:
        """The touched series sorted into groups, and those averaged anew: on the days that the rows were about.

        Where a series changed its category, the groups that it left and joined are averaged anew on all its days.
        """
        numbers, (first, last) = dict(self.group_numbers), (int(days.min()), int(days.max()))
        added = np.full((len(self.group_of), len(self.series) - self.group_of.shape[1]), -1)
        group_of, left = np.append(self.group_of, added, axis=1), set[int]()
        for place, (store, sku) in touched.items():
            level, name = self.categories[place]
            category = str(level), name
            groups = [
                numbers.setdefault(("store", store), len(numbers)),
                numbers.setdefault(("category in store", store, *category), len(numbers)),
                numbers.setdefault(("product", sku), len(numbers)),
                numbers.setdefault(("category", *category), len(numbers)) if level else -1,
            ]
            before = group_of[:, place].tolist()
            if before[0] >= 0 and before != groups:
                left.update(before)
                first = min(first, self.series[place].first_day)
                last = max(last, self.series[place].end_day - 1)
            group_of[:, place] = groups
        regrouped = replace(self, group_numbers=numbers, group_of=group_of)
        concerned = np.union1d(group_of[:, [*touched]], np.array([*left], np.int64))
        return regrouped._averaged(concerned[concerned >= 0], first, last + 1)

    def _averaged(self, concerned: Ints, start_day: int, end_day: int) -> Panel:
        """These groups averaged anew on these days."""
        nothing = Series(start_day, np.empty((GROUP_CHANNELS, 0), np.float32))
        groups = [*self.groups, *[nothing] * (len(self.group_numbers) - len(self.groups))]
        anew = np.zeros(len(groups) + 1, bool)  # the last one is nobody's
        anew[concerned] = True
        emptied = set(concerned.tolist())
        for membership in self.group_of:
            members = np.flatnonzero(anew[membership])
            members = members[np.argsort(membership[members], kind="stable")]
            for group, mean in self._means(members, membership[members], start_day, end_day):
                groups[group] = _overwritten(groups[group], start_day, mean)
                emptied.discard(group)
        for group in emptied:
            groups[group] = nothing
        return replace(self, groups=groups)

    def category_means(self, categories: Sequence[Category], start_day: int, end_day: int) -> list[Series]:
        """Like `groups`, of all series that were told to be in these categories, finer ones told or not.

        Worked out when it is asked for: a wide category changes with nearly every sale, and is hardly ever needed.
        """
        number = {category: place for place, category in enumerate(categories)}
        told = (
            (place, (level, name)) for place, all_told in enumerate(self.told) for level, (_, name) in all_told.items()
        )
        pairs = sorted((number[category], place) for place, category in told if category in number)
        group_of, members = np.array(pairs, np.int64).reshape(-1, 2).T
        means = dict(self._means(members, group_of, start_day, end_day))
        return [Series(start_day, means[place]) for place in range(len(categories))]

    def _means(self, members: Ints, group_of: Ints, start_day: int, end_day: int) -> Iterator[tuple[int, Floats32]]:
        """Each group's mean of the averaged channels over the series that know them: [GROUP_CHANNELS, days].

        `group_of` the `members` ascends. Series are added up a few at a time, however many a group has.
        """
        days = end_day - start_day
        if not len(members):
            return
        group, total, count = -1, np.zeros((AVERAGED, days)), np.zeros((AVERAGED, days), np.int64)
        for start in range(0, len(members), MEMBERS):
            part = [self.series[place] for place in members[start : start + MEMBERS].tolist()]
            values = windows(part, np.full(len(part), start_day), days=days, channels=AVERAGED)
            values[:, SALES] = known_demand(values)
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


def _runs(rows: pl.DataFrame, x_names: Sequence[str]) -> Iterator[tuple[Key, Told, Ints, Floats32]]:
    """Key, categories, days [n] and values [channels, n] of each stretch of rows of one series."""
    columns = (*CHANNELS[:-X_SLOTS], *x_names, *[""] * (X_SLOTS - len(x_names)))
    new_run = (pl.col("store") != pl.col("store").shift()) | (pl.col("sku") != pl.col("sku").shift())
    starts = np.append(0, np.flatnonzero(rows.select(new_run.fill_null(False)).to_series().to_numpy()))
    ends = np.append(starts[1:], rows.height)
    names, categories = rows.select("store", "sku"), told_categories(rows, ordinals(rows), starts, ends)
    for first in range(0, len(starts), RUNS):
        some = slice(first, first + RUNS)
        low, high = int(starts[some][0]), int(ends[some][-1])
        part = rows[low:high]
        days, values = ordinals(part), np.stack([_channel(part, name) for name in columns])
        keys, bounds = names[starts[some]].iter_rows(), (np.stack([starts[some], ends[some]], axis=1) - low).tolist()
        for (store, sku), category, (start, end) in zip(keys, categories[some], bounds, strict=True):
            yield (store, sku), category, days[start:end], values[:, start:end]


def _channel(rows: pl.DataFrame, name: str) -> Floats32:
    if name not in rows.columns:
        return np.full(rows.height, np.nan, np.float32)
    column = rows[name]
    if name == "event":
        codes = {event: 1 + zlib.crc32(event.encode()) % EVENT_CODES for event in column.drop_nulls().unique()}
        column = column.replace_strict(codes, default=None, return_dtype=pl.Float32)
    column = column.cast(pl.Float32)
    if TAKEN_BACK in rows.columns:
        taken_back = rows.select(pl.col(TAKEN_BACK).list.contains(name).fill_null(False)).to_series()
        return np.where(taken_back, np.float32(np.inf), column)  # no number in the table is infinite
    return column.to_numpy()


def _merged(old: Series, days: Ints, values: Floats32) -> Series:
    """What is known replaces what was, infinity makes it unknown; where no event is known there is none: code 0."""
    if not old.values.shape[1] and (days[1:] - days[:-1] == 1).all():  # new, and without a gap
        newest = np.where(np.isinf(values), np.float32(np.nan), values)
        newest[EVENT, np.isnan(newest[EVENT])] = 0
        return Series.of(int(days[0]), newest)
    first = min(old.first_day, int(days.min()))
    merged = np.full((len(CHANNELS), max(old.end_day, int(days.max()) + 1) - first), np.nan, np.float32)
    old.copy_into(merged, first)
    at = days - first
    newest = np.where(np.isnan(values), merged[:, at], values)
    newest[np.isinf(newest)] = np.nan
    newest[EVENT] = np.where(np.isnan(newest[EVENT]), 0, newest[EVENT])
    merged[:, at] = newest
    return Series.of(first, merged)


def _mean(total: Floats, count: Ints) -> Floats32:
    """Means [..., AVERAGED, days] with, as further channels, the number of series that each of them is made of."""
    with np.errstate(all="ignore"):
        means = total / count  # 0 ÷ 0: nobody knows
    return np.concatenate([means, count], axis=-2, dtype=np.float32)


def _overwritten(old: Series, start_day: int, values: Floats32) -> Series:
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
