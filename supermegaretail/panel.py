"""All series of the sales table in memory, and the groups that they belong to: a store, a category in a store.

Never changed: `updated` makes the next panel, which copies the series that the new rows touch and shares the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeAlias

import numpy as np
import polars as pl

from supermegaretail.formulas import Floats
from supermegaretail.series import (
    AVERAGED,
    CHANNELS,
    EVENT,
    SALES,
    X_SLOTS,
    Floats32,
    Ints,
    Series,
    known_demand,
    windows,
)

Key: TypeAlias = tuple[str, str]  # store, sku

EVENT_CODES = 255
UNIX_EPOCH = date(1970, 1, 1).toordinal()
MEMBERS = 256  # series averaged at once
RUNS = 1_024  # series whose rows are taken out of a table at once


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Series by place, groups by number, and which series is where."""

    places: Mapping[Key, int] = field(default_factory=dict)
    series: Sequence[Series] = ()
    groups: Sequence[Series] = ()  # the mean of their series by day: the averaged channels
    group_numbers: Mapping[str, int] = field(default_factory=dict)
    store_of: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # group number by place
    category_of: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    x_names: tuple[str, ...] = ()  # the columns behind the channels x_1, x_2, …

    def updated(self, rows: pl.DataFrame) -> tuple[Panel, Ints]:
        """This panel with `rows` merged in, and the places of the series that they touched."""
        if rows.is_empty():
            return self, np.empty(0, np.int64)
        new_names = [name for name in rows.columns if name.startswith("x_") and name not in self.x_names]
        x_names = (*self.x_names, *new_names)[:X_SLOTS]
        places, series = dict(self.places), list(self.series)
        groups: dict[int, tuple[str, str]] = {}  # store and category of the touched; "" where the rows tell none
        for key, category, days, values in _runs(rows, x_names):
            place = places.setdefault(key, len(series))
            if place == len(series):
                series.append(Series(int(days[0]), np.empty((len(CHANNELS), 0), np.float32)))
            series[place] = _merged(series[place], days, values)
            groups[place] = key[0], category or groups.get(place, ("", ""))[1]
        merged = replace(self, places=places, series=series, x_names=x_names)
        touched, days = np.array([*groups], np.int64), _ordinals(rows)
        return merged._grouped(groups)._averaged(touched, int(days.min()), int(days.max()) + 1), touched

    def _grouped(self, groups: Mapping[int, tuple[str, str]]) -> Panel:
        """The touched series sorted into groups; one keeps its category when the new rows tell none."""
        numbers = dict(self.group_numbers)
        added = np.full(len(self.series) - len(self.store_of), -1)
        store_of, category_of = np.append(self.store_of, added), np.append(self.category_of, added)
        for place, (store, category) in groups.items():
            store_of[place] = numbers.setdefault(store, len(numbers))
            if category or category_of[place] < 0:
                category_of[place] = numbers.setdefault(f"{store}\n{category}", len(numbers))
        return replace(self, group_numbers=numbers, store_of=store_of, category_of=category_of)

    def _averaged(self, touched: Ints, start_day: int, end_day: int) -> Panel:
        """The groups of the touched series averaged anew, on the days that the rows were about."""
        nothing = Series(start_day, np.empty((AVERAGED, 0), np.float32))
        groups = [*self.groups, *[nothing] * (len(self.group_numbers) - len(self.groups))]
        for membership in (self.store_of, self.category_of):
            concerned = np.flatnonzero(np.isin(membership, membership[touched]))
            members = concerned[np.argsort(membership[concerned], kind="stable")]
            for group, mean in self._means(members, membership[members], start_day, end_day):
                groups[group] = _overwritten(groups[group], start_day, mean)
        return replace(self, groups=groups)

    def _means(self, members: Ints, group_of: Ints, start_day: int, end_day: int) -> Iterator[tuple[int, Floats32]]:
        """Each group's mean of the averaged channels over the series that know them: [AVERAGED, days].

        `group_of` the `members` ascends. Series are added up a few at a time, however many a group has.
        """
        days = end_day - start_day
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


def _runs(rows: pl.DataFrame, x_names: Sequence[str]) -> Iterator[tuple[Key, str, Ints, Floats32]]:
    """Key, finest category, days [n] and values [channels, n] of each stretch of rows that belong to one series."""
    columns = (*CHANNELS[:-X_SLOTS], *x_names, *[""] * (X_SLOTS - len(x_names)))
    new_run = (pl.col("store") != pl.col("store").shift()) | (pl.col("sku") != pl.col("sku").shift())
    starts = np.append(0, np.flatnonzero(rows.select(new_run.fill_null(False)).to_series().to_numpy()))
    ends = np.append(starts[1:], rows.height)
    levels = sorted((name for name in rows.columns if name.startswith("category_")), key=lambda name: (len(name), name))
    category = pl.col(levels[-1]).cast(pl.String).fill_null("") if levels else pl.lit("")
    names = rows.select("store", "sku", category.alias("category"))
    for first in range(0, len(starts), RUNS):
        some = slice(first, first + RUNS)
        low, high = int(starts[some][0]), int(ends[some][-1])
        part = rows[low:high]
        days, values = _ordinals(part), np.stack([_channel(part, name) for name in columns])
        for (store, sku, name), start, end in zip(
            names[starts[some]].iter_rows(), (starts[some] - low).tolist(), (ends[some] - low).tolist(), strict=True
        ):
            yield (store, sku), name, days[start:end], values[:, start:end]


def _ordinals(rows: pl.DataFrame) -> Ints:
    return rows["date"].to_physical().to_numpy().astype(np.int64) + UNIX_EPOCH


def _channel(rows: pl.DataFrame, name: str) -> Floats32:
    if name not in rows.columns:
        return np.full(rows.height, np.nan, np.float32)
    column = rows[name]
    if name == "event":
        codes = {event: 1 + zlib.crc32(event.encode()) % EVENT_CODES for event in column.drop_nulls().unique()}
        column = column.replace_strict(codes, default=None, return_dtype=pl.Float32)
    return column.cast(pl.Float32).to_numpy()


def _merged(old: Series, days: Ints, values: Floats32) -> Series:
    """What is known replaces what was; a row that names no event says that there is none: code 0."""
    if not old.values.shape[1] and (days[1:] - days[:-1] == 1).all():  # new, and without a gap
        newest = values.copy()
        newest[EVENT, np.isnan(newest[EVENT])] = 0
        return Series.of(int(days[0]), newest)
    first = min(old.first_day, int(days.min()))
    merged = np.full((len(CHANNELS), max(old.end_day, int(days.max()) + 1) - first), np.nan, np.float32)
    old.copy_into(merged, first)
    at = days - first
    newest = np.where(np.isnan(values), merged[:, at], values)
    newest[EVENT] = np.where(np.isnan(newest[EVENT]), 0, newest[EVENT])
    merged[:, at] = newest
    return Series.of(first, merged)


def _mean(total: Floats, count: Ints) -> Floats32:
    with np.errstate(all="ignore"):
        return (total / count).astype(np.float32)  # 0 ÷ 0: nobody knows


def _overwritten(old: Series, start_day: int, values: Floats32) -> Series:
    if not old.values.shape[1]:
        return Series(start_day, values)
    end_day = start_day + values.shape[1]
    first = min(old.first_day, start_day)
    merged = np.full((len(values), max(old.end_day, end_day) - first), np.nan, np.float32)
    old.copy_into(merged, first)
    merged[:, start_day - first : end_day - first] = values
    return Series(first, merged)
