"""What is known about series as of a day, and what is planned for the days after it: windows of days put into features.

Training and serving both come through here, the one with many days of each series, the other with many series of a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from supermegaretail.features import STATE, Floats, state_features
from supermegaretail.formulas import WINDOW_DAYS
from supermegaretail.panel import Panel
from supermegaretail.series import CHANNELS, EVENT, SALES, Floats32, Ints, ahead, known_demand, past

Flags: TypeAlias = npt.NDArray[np.bool_]

PLANNED = ("price", "discount", "promotion", "holiday", "event")  # known ahead; x_… are only as a forecast
PLANNED_CHANNELS = tuple(CHANNELS.index(name) for name in PLANNED)
ENDED_AFTER_DAYS = 28
NORMALLY = 0.5  # an input that is known on fewer of the days is not missed
CHUNK = 4_096  # series whose windows are in memory at once: about 60 MB
DAYS_BEYOND_ALL = 1 << 22  # more than any ordinal of a day


@dataclass(frozen=True, slots=True)
class States:
    """The state of n series."""

    known: Flags  # [n] whether any day's sales are known
    values: Floats  # [n, STATE]
    has_planned: Flags  # [n, PLANNED] which planned inputs the series normally has

    @classmethod
    def unknown(cls, n: int) -> States:
        return cls(np.zeros(n, bool), np.full((n, len(STATE)), np.nan), np.zeros((n, len(PLANNED)), bool))

    def at(self, rows: Ints | slice) -> States:
        """The states in these rows, copied (of a slice, not copied)."""
        return States(self.known[rows], self.values[rows], self.has_planned[rows])

    def put(self, rows: Ints | slice, states: States) -> None:
        """Overwrites these rows; only for who has just made the arrays."""
        self.known[rows], self.values[rows], self.has_planned[rows] = states.known, states.values, states.has_planned


class PreparedStates:
    """The states of all series, each computed when it is first needed and kept.

    Many threads may read: a row is marked with its day after it has been written, and two that write it write the same.
    The last row stays unknown: place -1.
    """

    __slots__ = ("_as_of", "states")

    def __init__(self, n: int) -> None:
        self.states = States.unknown(n + 1)
        self._as_of = np.zeros(n + 1, np.int64)  # of each row, the day it is prepared for

    def without(self, places: Ints, n: int) -> PreparedStates:
        """A copy for `n` series in which these are to be prepared anew; the old ones stay as they are."""
        copied, kept = PreparedStates(n), len(self._as_of) - 1
        copied._as_of[:kept] = self._as_of[:kept]  # first: a row that is prepared meanwhile is not marked here
        copied.states.put(slice(kept), self.states.at(slice(kept)))
        copied._as_of[places] = 0
        return copied

    def prepare(self, panel: Panel, places: Ints, day: int) -> None:
        """Computes the states of these series as of `day` where they are not at hand; -1 is nobody."""
        lacking = places[(self._as_of[places] != day) & (places >= 0)]
        for start in range(0, len(lacking), CHUNK):
            rows = lacking[start : start + CHUNK]
            self.states.put(rows, states_of(panel, rows, np.full(len(rows), day)))
            self._as_of[rows] = day


def states_of(panel: Panel, places: Ints, as_of: Ints) -> States:
    """The state of the series at `places`, each as of its own day (an ordinal)."""
    found = States.unknown(len(places))
    series = [panel.series[place] for place in places]
    reports = np.fromiter((one.last_report(day) for one, day in zip(series, as_of.tolist(), strict=True)), np.int64)
    known = np.flatnonzero(reports > 0)
    for start in range(0, len(known), CHUNK):
        rows = known[start : start + CHUNK]
        found.put(rows, _states(panel, places[rows], as_of[rows], reports[rows]))
    return found


def planned_ahead(panel: Panel, places: Ints, as_of: Ints, *, days: int) -> tuple[Floats32, Floats32]:
    """Plans for each of the `days` after `as_of`, of series and of their categories.

    The former are [n, days, channels, 3] (the day before, the day, the day after), the latter [n, days, channels].
    """
    own = ahead([panel.series[place] for place in places], as_of, days=days + 1)
    group, day, which = _distinct(panel.category_of[places], as_of)
    category = ahead([panel.groups[number] for number in group.tolist()], day, days=days)[which]
    around = np.lib.stride_tricks.sliding_window_view(own, 3, axis=2)
    return around.transpose(0, 2, 1, 3), category[:, :, 1:].transpose(0, 2, 1)


def _states(panel: Panel, places: Ints, as_of: Ints, reports: Ints) -> States:
    # Where nothing was reported for weeks, the windows end whole weeks earlier: a gap is not a time without demand.
    skipped = (as_of - reports) // 7 * 7
    series = [panel.series[place] for place in places]
    own = past(series, as_of - skipped, days=WINDOW_DAYS)
    first_sale = np.fromiter((one.first_sale for one in series), np.int64, len(series))
    sold = own[:, SALES, ::-1] > 0
    store, store_of = _groups_past(panel, panel.store_of[places], as_of)
    category, category_of = _groups_past(panel, panel.category_of[places], as_of)
    values = state_features(
        own,
        demand=known_demand(own),
        store=store,
        store_of=store_of,
        category=category,
        category_of=category_of,
        days_since={
            "sale": skipped + np.where(sold.any(1), sold.argmax(1), WINDOW_DAYS),
            "first_sale": np.clip(as_of - first_sale, 0, WINDOW_DAYS),  # the true age would tell the date
            "report": as_of - reports,
        },
    )
    # A product that is no longer sold is not planned for, and nothing is missing.
    ended = as_of - reports >= ENDED_AFTER_DAYS
    return States(np.ones(len(places), bool), values, _normally_planned(own) & ~ended[:, None])


def _normally_planned(own: Floats32) -> Flags:
    reported = ~np.isnan(own[:, SALES])
    given = ~np.isnan(own[:, PLANNED_CHANNELS]) & reported[:, None]
    has: Flags = given.sum(2) >= np.maximum(NORMALLY * reported.sum(1), 1)[:, None]
    has[:, PLANNED.index("event")] &= (own[:, EVENT] > 0).any(1)  # code 0 also stands where no events are told at all
    return has


def _groups_past(panel: Panel, numbers: Ints, as_of: Ints) -> tuple[Floats32, Ints]:
    """The windows of the distinct pairs of group and day, and which of them each row's is."""
    group, day, which = _distinct(numbers, as_of)
    return past([panel.groups[number] for number in group.tolist()], day, days=WINDOW_DAYS), which


def _distinct(numbers: Ints, as_of: Ints) -> tuple[Ints, Ints, Ints]:
    """The distinct pairs of group and day, and which of them each row is."""
    pairs, which = np.unique(numbers * DAYS_BEYOND_ALL + as_of, return_inverse=True)
    return pairs // DAYS_BEYOND_ALL, pairs % DAYS_BEYOND_ALL, which
