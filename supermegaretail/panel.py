"""All series of the sales table in memory, and the groups that they belong to.

Four groups: the store; the finest category in the store; across all stores the product, and all that was told the same
categories. Of the latter any category, wide or fine, is put together.

Never changed: `updated` makes the next panel, which copies the series that the new rows touch and shares the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import polars as pl

from supermegaretail.categories import NO_CATEGORY, Category, Told, finest, latest, told_categories
from supermegaretail.columns import TAKEN_BACK
from supermegaretail.far_rows import middle_of, near, ordinals
from supermegaretail.group_means import means_of, overwritten, together
from supermegaretail.series import CHANNELS, EVENT, GROUP_CHANNELS, X_SLOTS, Floats32, Ints, Series

Key: TypeAlias = tuple[str, str]  # store, sku

EVENT_CODES = 4_091  # thirty names collide with a chance of a tenth; more codes make trees on them large and slow
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
    in_category: Mapping[Category, Sequence[int]] = field(default_factory=dict)  # numbers of the groups that make it up
    x_names: tuple[str, ...] = ()  # the columns behind the channels x_1, x_2, …
    unannounced: frozenset[Key] = frozenset()  # that no row tells of; see `announcing`
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

    def lacks(self, item: Key) -> bool:
        """Whether no row tells of the item, though others tell of its product and of its store."""
        store, sku = item
        numbers = self.group_numbers
        return item not in self.places and ("store", store) in numbers and ("product", sku) in numbers

    def announcing(self, items: Iterable[Key]) -> Panel:
        """This panel with a place for each of these that it `lacks`.

        As if a row without a value had announced the product there, in the categories that other stores tell of it.
        """
        news = [item for item in dict.fromkeys(items) if self.lacks(item)]
        if not news:
            return self
        begins, products = len(self.series), [self.group_numbers["product", sku] for _, sku in news]
        told_of: dict[int, Told] = {product: {} for product in products}
        alike = np.flatnonzero(np.isin(self.product_of, products))
        for place, product in zip(alike.tolist(), self.product_of[alike].tolist(), strict=True):
            told_of[product] = latest(told_of[product], self.told[place])
        told = [*self.told, *(told_of[product] for product in products)]
        places = dict(zip(news, range(begins, begins + len(news)), strict=True))
        beside = replace(
            self,
            places={**self.places, **places},
            series=[*self.series, *[Series(self.middle, np.empty((len(CHANNELS), 0), np.float32))] * len(news)],
            categories=[*self.categories, *(finest(one) if one else NO_CATEGORY for one in told[begins:])],
            told=told,
            unannounced=frozenset(news),
        )
        grouped, _ = beside._grouped({place: key for key, place in places.items()})
        nothing = Series(self.middle, np.empty((GROUP_CHANNELS, 0), np.float32))
        groups = [*self.groups, *[nothing] * (len(grouped.group_numbers) - len(self.groups))]
        return replace(grouped, groups=groups)

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
        judged_anew: dict[int, list[int]] = {}  # by day, whose sales are taken for a mistake now, or no longer
        for key, newly_told, days, values in _runs(rows, x_names):
            place = places.setdefault(key, len(series))
            if place == len(series):
                series.append(Series(int(days[0]), np.empty((len(CHANNELS), 0), np.float32)))
                categories.append(NO_CATEGORY)
                told.append({})
            before = series[place]
            series[place] = _merged(before, days, values)
            for day in _judged_anew(before, series[place]):
                judged_anew.setdefault(day, []).append(place)
            if newly_told:
                told[place] = latest(told[place], newly_told)
                categories[place] = finest(told[place])
            touched[place] = key
        merged = replace(self, places=places, series=series, categories=categories, told=told)
        merged = replace(merged, x_names=x_names, middle=middle)
        days = ordinals(rows)
        first, last = int(days.min()), int(days.max())
        panel = merged._regrouped(touched, first, last)
        for day, judged in judged_anew.items():
            if not first <= day <= last:
                panel = panel._averaged(_numbers(panel.group_of[:, judged]), day, day + 1)
        return panel, np.array([*touched], np.int64)

    def _regrouped(self, touched: Mapping[int, Key], first: int, last: int) -> Panel:
        """The touched series sorted into groups, and those averaged anew: from the `first` to the `last` changed day.

        Where a series changed its category, the groups that it left and joined are averaged anew on all its days.
        """
        grouped, left = self._grouped(touched)
        for place in left:
            first = min(first, self.series[place].first_day)
            last = max(last, self.series[place].end_day - 1)
        concerned = np.append(grouped.group_of[:, [*touched]], self.group_of[:, left])
        return grouped._averaged(_numbers(concerned), first, last + 1)

    def _grouped(self, touched: Mapping[int, Key]) -> tuple[Panel, list[int]]:
        """The touched series sorted into groups, and the places of those that were in other ones before."""
        numbers, in_category = dict(self.group_numbers), dict(self.in_category)
        added = np.full((len(self.group_of), len(self.series) - self.group_of.shape[1]), -1)
        group_of, left = np.append(self.group_of, added, axis=1), list[int]()
        for place, (store, sku) in touched.items():
            level, name = self.categories[place]
            told = sorted((level, name) for level, (_, name) in self.told[place].items())
            alike = "told alike", *(part for level, name in told for part in (str(level), name))
            if told and alike not in numbers:
                for category in told:
                    in_category[category] = (*in_category.get(category, ()), len(numbers))
                numbers[alike] = len(numbers)
            groups = [
                numbers.setdefault(("store", store), len(numbers)),
                numbers.setdefault(("category in store", store, str(level), name), len(numbers)),
                numbers.setdefault(("product", sku), len(numbers)),
                numbers.get(alike, -1),
            ]
            before = group_of[:, place].tolist()
            if before[0] >= 0 and before != groups:
                left.append(place)
            group_of[:, place] = groups
        return replace(self, group_numbers=numbers, group_of=group_of, in_category=in_category), left

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
            for group, mean in means_of(self.series, members, membership[members], start_day, end_day):
                groups[group] = overwritten(groups[group], start_day, mean)
                emptied.discard(group)
        for group in emptied:
            groups[group] = nothing
        return replace(self, groups=groups)

    def category_means(self, categories: Sequence[Category], start_day: int, end_day: int) -> list[Series]:
        """Like `groups`, of all series that were told to be in these categories, finer ones told or not.

        Put together of groups when it is asked for: these are few, while a wide category has most series of a chain.
        """
        parts = ([self.groups[number] for number in self.in_category[category]] for category in categories)
        return [Series(start_day, together(groups, start_day, end_day)) for groups in parts]


def _numbers(groups: Ints) -> Ints:
    """Each of these groups once, without those that are none."""
    return np.unique(groups[groups >= 0])


def _judged_anew(before: Series, now: Series) -> set[int]:
    """The days of mistaken sales, before or now, on which groups are told another demand than before."""
    days, days_now = {*before.mistaken_days.tolist()}, {*now.mistaken_days.tolist()}
    return days | days_now if (before.good_day, days) != (now.good_day, days_now) else set()


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
