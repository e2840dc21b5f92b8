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
        categories: dict[int, str] = {}  # of the touched places; "" where the rows tell none
        for key, category, days, values in _runs(rows, x_names):
            place = places.setdefault(key, len(series))
            if place == len(series):
                series.append(Series(int(days[0]), np.empty((len(CHANNELS), 0), np.float32)))
            series[place] = _merged(series[place], days, values)
            categories[place] = category or categories.get(place, "")
        merged = replace(self, places=places, series=series, x_names=x_names)
        days = _ordinals(rows)
        return merged._grouped(categories)._averaged([*categories], int(days.min()), int(days.max()) + 1)

    def _grouped(self, categories: Mapping[int, str]) -> Panel:
        """The touched series sorted into groups; one keeps its category when the new rows tell none."""
        numbers = dict(self.group_numbers)
        stores = [store for store, _ in self.places]
        added = np.full(len(stores) - len(self.store_of), -1)
        store_of, category_of = np.append(self.store_of, added), np.append(self.category_of, added)
        for place, category in categories.items():
            store_of[place] = numbers.setdefault(stores[place], len(numbers))
            if category or category_of[place] < 0:
                category_of[place] = numbers.setdefault(f"{stores[place]}\n{category}", len(numbers))
        return replace(self, group_numbers=numbers, store_of=store_of, category_of=category_of)

    def _averaged(self, touched: Sequence[int], start_day: int, end_day: int) -> tuple[Panel, Ints]:
        """The groups of the touched series averaged anew, on the days that the rows were about."""
        nothing = Series(start_day, np.empty((AVERAGED, 0), np.float32))
        groups = [*self.groups, *[nothing] * (len(self.group_numbers) - len(self.groups))]
        for membership in (self.store_of, self.category_of):
            order = np.argsort(membership, kind="stable")
            for group in np.unique(membership[touched]):
                low, high = np.searchsorted(membership, (group, group + 1), sorter=order)
                mean = _mean([self.series[place] for place in order[low:high]], start_day, end_day)
                groups[group] = _overwritten(groups[group], start_day, mean)
        return replace(self, groups=groups), np.array(touched, np.int64)


def _runs(rows: pl.DataFrame, x_names: Sequence[str]) -> Iterator[tuple[Key, str, Ints, Floats32]]:
    """Key, finest category, days [n] and values [channels, n] of each stretch of rows that belong to one series."""
    days = _ordinals(rows)
    columns = (*CHANNELS[:-X_SLOTS], *x_names, *[""] * (X_SLOTS - len(x_names)))
    values = np.stack([_channel(rows, name) for name in columns])
    new_run = (pl.col("store") != pl.col("store").shift()) | (pl.col("sku") != pl.col("sku").shift())
    starts = [0, *np.flatnonzero(rows.select(new_run.fill_null(False)).to_series().to_numpy()).tolist()]
    levels = sorted((name for name in rows.columns if name.startswith("category_")), key=lambda name: (len(name), name))
    category = pl.col(levels[-1]).cast(pl.String).fill_null("") if levels else pl.lit("")
    firsts = rows.select("store", "sku", category.alias("category"))[starts]
    for (store, sku, name), low, high in zip(firsts.iter_rows(), starts, [*starts[1:], rows.height], strict=True):
        yield (store, sku), name, days[low:high], values[:, low:high]


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
    first = min(old.first_day, int(days.min()))
    merged = np.full((len(CHANNELS), max(old.end_day, int(days.max()) + 1) - first), np.nan, np.float32)
    old.copy_into(merged, first)
    at = days - first
    newest = np.where(np.isnan(values), merged[:, at], values)
    newest[EVENT] = np.where(np.isnan(newest[EVENT]), 0, newest[EVENT])
    merged[:, at] = newest
    return Series.of(first, merged)


def _mean(members: Sequence[Series], start_day: int, end_day: int) -> Floats32:
    """Each averaged channel's mean over the series that know it, from `start_day` to before `end_day`."""
    total = np.zeros((AVERAGED, end_day - start_day))
    count = np.zeros_like(total)
    for start in range(0, len(members), MEMBERS):
        part = members[start : start + MEMBERS]
        values = windows(part, np.full(len(part), start_day), days=end_day - start_day, channels=AVERAGED)
        values[:, SALES] = known_demand(values)
        unknown = np.isnan(values)
        values[unknown] = 0
        total += values.sum(0, dtype=np.float64)
        count += len(part) - unknown.sum(0)
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32)  # 0 ÷ 0: nobody knows


def _overwritten(old: Series, start_day: int, values: Floats32) -> Series:
    end_day = start_day + values.shape[1]
    first = min(old.first_day, start_day)
    merged = np.full((len(values), max(old.end_day, end_day) - first), np.nan, np.float32)
    old.copy_into(merged, first)
    merged[:, start_day - first : end_day - first] = values
    return Series(first, merged)
