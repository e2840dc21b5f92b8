"""Special days: how much more, or less, a store sells on holidays and on the days of each event than it usually would.

The factor is what was sold on such days ÷ what the same weekday sold on ordinary days of the four weeks before and
after, drawn towards 1 the fewer occasions were seen, the smaller it is, and the more they differ. It is the store's
own, or the chain's where the store has seen too few. A weekday that is a holiday in most weeks is ordinary: its profile
knows that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from supermegaretail.formulas import PROFILE_DAYS, Flags, Floats
from supermegaretail.panel import Panel
from supermegaretail.series import CHANNELS, EVENT, SALES, Floats32, Ints, Series, windows

HOLIDAY = CHANNELS.index("holiday")
FLAGS = slice(HOLIDAY, EVENT + 1)  # the two are neighbours
HOLIDAY_CODE = -1  # beside the codes of events, which are above 0
MOST_CODES = 256  # those of the most days; who names more events does not name what returns
SAME_WEEKDAY = np.array([-28, -21, -14, -7, 7, 14, 21, 28])
OCCASION_DAYS = 7  # special days that follow one another so closely are one occasion
OWN_OCCASIONS = 2  # a store that has seen fewer goes by the chain
USUAL_SPREAD = 0.2  # standard deviation of the ratios of one kind, believed
SPREAD_OCCASIONS = 2.0  # as firmly as if it had been seen on so many occasions
LOWEST, HIGHEST = 0.0, 5.0
DAYS_KEPT = 4  # so many days as of which the factors are kept


@dataclass(frozen=True, slots=True)
class Factors:
    """By store and kind of day, as of one day: looked up for plans."""

    codes: Ints  # [codes], ascending
    row_of: Ints  # [groups] the row of each store below
    by_store: Floats  # [stores, codes]
    usual_holidays: Flags  # [stores, 7] whether the weekday so many days after as_of is a holiday in most weeks
    feast_days: Ints  # [stores] so many days after as_of are of a feast that the recent level knows

    def of(self, stores: Ints, plans: Floats32) -> Floats:
        """The factor [n, horizon] of each target day in `stores` [n] (numbers of groups).

        `plans` [n, 2, horizon] tell holiday and event. 1 where they are unknown, or of a kind that was never seen.
        """
        found = np.ones((len(plans), plans.shape[2]))
        if not len(self.codes):
            return found
        rows, steps = self.row_of[stores][:, None], np.arange(1, plans.shape[2] + 1)
        holiday = (plans[:, 0] > 0) & ~self.usual_holidays[rows, steps % 7] & (steps > self.feast_days[rows])
        event = np.nan_to_num(plans[:, 1]).astype(np.int64)
        for code in (np.where(holiday, HOLIDAY_CODE, 0), event):  # an event tells more than that it is a holiday
            place = np.minimum(np.searchsorted(self.codes, code), len(self.codes) - 1)
            found = np.where(self.codes[place] == code, self.by_store[rows, place], found)
        return found


class SpecialDays:
    """The factors of one panel, computed when they are first needed, and kept as of the days that were last asked for.

    Many threads may ask: what two of them compute at the same time is the same.
    """

    __slots__ = ("_flags", "_kept", "_panel")

    def __init__(self, panel: Panel, flags: Mapping[int, tuple[Series, Series]] | None = None) -> None:
        self._panel = panel
        # By number of a store: its group, and the flags of its days as long as that is its group.
        self._flags: dict[int, tuple[Series, Series]] = dict(flags or {})
        self._kept: tuple[tuple[int, Factors], ...] = ()

    def updated(self, panel: Panel) -> SpecialDays:
        """Those of the next panel: what is known about stores that did not change is taken over."""
        return SpecialDays(panel, self._flags.copy())

    def beside(self, panel: Panel) -> SpecialDays:
        """The same of a panel that has more series, and no other sales."""
        copied = self.updated(panel)
        copied._kept = self._kept
        return copied

    def is_prepared(self, as_of: int) -> bool:
        """Whether `factors` as of this day (an ordinal) are a mere lookup."""
        return any(day == as_of for day, _ in self._kept)

    def prepare(self, as_of: int) -> Factors:
        """The factors as of this day (an ordinal), of which no later day's sales or flags are a part."""
        for day, factors in self._kept:
            if day == as_of:
                return factors
        stores = np.unique(self._panel.store_of)
        groups = [self._panel.groups[number] for number in stores.tolist()]
        first = min((group.first_day for group in groups), default=as_of + 1)
        starts, days = np.full(len(groups), first), max(as_of + 1 - first, 0)
        demand = windows(groups, starts, days=days, channels=SALES + 1)[:, SALES]
        flags = windows(self._flags_of(stores), starts, days=days, channels=2)
        row_of = np.zeros(len(self._panel.groups), np.int64)
        row_of[stores] = np.arange(len(stores))
        factors = _factors(row_of, demand, flags)
        self._kept = ((as_of, factors), *self._kept[: DAYS_KEPT - 1])
        return factors

    def factors(self, places: Ints, *, as_of: int, horizon_days: int) -> Floats:
        """The factor [n, horizon] of each day after `as_of` (an ordinal), by the plans of the series at `places`."""
        series = [self._panel.series[place] for place in places.tolist()]
        starts = np.full(len(places), as_of + 1)
        return self.of_plans(places, windows(series, starts, days=horizon_days, channels=FLAGS.stop)[:, FLAGS], as_of)

    def of_plans(self, places: Ints, plans: Floats32, as_of: int) -> Floats:
        """The same where holiday and event of these days are at hand: `plans` [n, 2, horizon]."""
        if not (plans > 0).any():
            return np.ones((len(places), plans.shape[2]))
        return self.prepare(as_of).of(self._panel.store_of[places], plans)

    def _flags_of(self, stores: Ints) -> list[Series]:
        """Holiday and event by day [2, days] of each store."""
        groups, store_of = self._panel.groups, self._panel.store_of
        lacking = [number for number in stores.tolist() if self._flags.get(number, (None,))[0] is not groups[number]]
        members = np.flatnonzero(np.isin(store_of, lacking))
        members = members[np.argsort(store_of[members], kind="stable")]
        numbers, firsts = np.unique(store_of[members], return_index=True)
        for number, some in zip(numbers.tolist(), np.split(members, firsts)[1:], strict=True):
            self._flags[number] = groups[number], _any_of([self._panel.series[place] for place in some.tolist()])
        return [self._flags[number][1] for number in stores.tolist()]


def _any_of(series: Sequence[Series]) -> Series:
    """Holiday and event by day [2, days] as any of these series tells, NaN where none does; of two events one."""
    first, end = min(one.first_day for one in series), max(one.end_day for one in series)
    flags = np.full((2, end - first), np.nan, np.float32)
    for one in series:
        days = flags[:, one.first_day - first : one.end_day - first]
        np.fmax(days, one.values[FLAGS], out=days)
    return Series(first, flags)


def _factors(row_of: Ints, demand: Floats32, flags: Floats32) -> Factors:
    """From each store's mean demand [stores, days] and flags [stores, 2, days] up to the last known day."""
    event = np.nan_to_num(flags[:, 1]).astype(np.int64)
    holiday = (flags[:, 0] > 0) & ~_most_weeks(flags[:, 0])
    ordinary = ~holiday & (event <= 0) & ~np.isnan(demand)
    (feast_store, feast_day), (event_store, event_day) = holiday.nonzero(), (event > 0).nonzero()
    store, day = np.append(feast_store, event_store), np.append(feast_day, event_day)
    code = np.append(np.full(len(feast_day), HOLIDAY_CODE), event[event_store, event_day])
    sold, usual = demand[store, day].astype(np.float64), _mean_around(demand, ordinary, store, day)
    told = (usual > 0) & ~np.isnan(sold)
    codes, seen = np.unique(code[told], return_counts=True)
    codes = np.sort(codes[np.argsort(-seen, kind="stable")[:MOST_CODES]])
    told &= np.isin(code, codes)
    place = np.searchsorted(codes, code[told])
    recent = np.pad(holiday, ((0, 0), (OCCASION_DAYS, 0)))[:, : -OCCASION_DAYS - 1 : -1]
    return Factors(
        codes,
        row_of,
        _by_store((len(demand), len(codes)), store[told], place, day[told], sold[told], usual[told]),
        _usual_weekdays(flags[:, 0]),
        np.where(recent.any(1), OCCASION_DAYS - recent.argmax(1), 0),
    )


def _by_store(shape: tuple[int, int], store: Ints, code: Ints, day: Ints, sold: Floats, usual: Floats) -> Floats:
    """The factors [stores, codes], from units sold and usual [m] by store, place of the code, and day."""
    cell, size, ratio = store * shape[1] + code, shape[0] * shape[1], sold / usual
    order = np.lexsort((day, cell))
    begins = np.ones(len(cell), bool)
    begins[order[1:]] = (np.diff(cell[order]) > 0) | (np.diff(day[order]) > OCCASION_DAYS)
    of_days = (sold, usual, ratio, ratio**2, np.ones(len(cell)))
    sums: Floats = np.stack([np.bincount(cell, each, minlength=size).reshape(shape) for each in of_days])
    occasions: Floats = np.bincount(cell, begins, minlength=size).reshape(shape).astype(np.float64)
    chain = _drawn(sums.sum(1), occasions.max(0, initial=0))
    return np.where(occasions >= OWN_OCCASIONS, _drawn(sums, occasions), chain)


def _drawn(sums: Floats, occasions: Floats) -> Floats:
    """Ratios drawn towards 1, within bounds; `sums` are units sold and usual, ratios, their squares, and days."""
    sold, usual, ratios, squares, days = sums
    ratio = np.where(usual > 0, sold / np.where(usual > 0, usual, 1), 1)
    apart = np.maximum(squares - 2 * ratio * ratios + days * ratio**2, 0) / np.maximum(days, 1)
    variance = (occasions * apart + SPREAD_OCCASIONS * USUAL_SPREAD**2) / (occasions + SPREAD_OCCASIONS)
    effect = occasions * (ratio - 1) ** 2
    return np.asarray(np.clip(1 + effect / (effect + variance) * (ratio - 1), LOWEST, HIGHEST))


def _mean_around(demand: Floats32, ordinary: Flags, store: Ints, day: Ints) -> Floats:
    """Mean demand [m] of the ordinary ones among the same weekdays around each `day` of a `store`; NaN without any."""
    around, days = day[:, None] + SAME_WEEKDAY, demand.shape[1]
    there = store[:, None], np.clip(around, 0, max(days - 1, 0))
    counted = (around >= 0) & (around < days) & ordinary[there]
    total, count = np.where(counted, demand[there], 0).sum(1, dtype=np.float64), counted.sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _most_weeks(holiday: Floats32) -> Flags:
    """Which days [stores, days] are holidays, as most of the same weekdays around them are."""
    store, day = (holiday > 0).nonzero()
    around, days = day[:, None] + SAME_WEEKDAY, holiday.shape[1]
    there = holiday[store[:, None], np.clip(around, 0, max(days - 1, 0))]
    found = np.zeros(holiday.shape, bool)
    found[store, day] = _mostly(np.where((around >= 0) & (around < days), there, np.float32(np.nan)))
    return found


def _usual_weekdays(holiday: Floats32) -> Flags:
    """Whether the weekday so many days (0 to 6) after the last day is a holiday in most recent weeks [stores, 7]."""
    recent = np.pad(holiday, ((0, 0), (PROFILE_DAYS, 0)), constant_values=np.nan)[:, -PROFILE_DAYS:]
    by_weekday = _mostly(recent.reshape(len(holiday), PROFILE_DAYS // 7, 7).transpose(0, 2, 1))
    return np.roll(by_weekday, 1, axis=1)


def _mostly(holiday: Floats32) -> Flags:
    """Whether more than half of those known along the last axis are holidays."""
    most: Flags = (holiday > 0).sum(-1) > 0.5 * (~np.isnan(holiday)).sum(-1)
    return most
