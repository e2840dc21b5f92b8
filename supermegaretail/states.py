"""What is known about series as of a day, and what is planned for the days after it: windows of days put into features.

Training and serving both come through here, the one with many days of each series, the other with many series of a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from supermegaretail.expressions import WINDOW_DAYS
from supermegaretail.features import STATE, Floats, state_features
from supermegaretail.panel import Panel
from supermegaretail.series import CHANNELS, EVENT, SALES, Floats32, Ints, ahead, known_demand, past

Flags: TypeAlias = npt.NDArray[np.bool_]

PLANNED = ("price", "discount", "promotion", "holiday", "event")  # known ahead; x_… are only as a forecast
PLANNED_CHANNELS = tuple(CHANNELS.index(name) for name in PLANNED)
ENDED_AFTER_DAYS = 28
NORMALLY = 0.5  # an input that is known on fewer of the days is not missed
CHUNK = 8_192  # series whose windows are in memory at once: about 60 MB


@dataclass(frozen=True, slots=True)
class States:
    """The state of n series."""

    known: Flags  # [n] whether any day's sales are known
    values: Floats  # [n, STATE]
    has_planned: Flags  # [n, PLANNED] which planned inputs the series normally has

    @classmethod
    def unknown(cls, n: int) -> States:
        return cls(np.zeros(n, bool), np.full((n, len(STATE)), np.nan), np.zeros((n, len(PLANNED)), bool))

    def at(self, rows: Ints) -> States:
        """The states in these rows, copied; of a negative row nothing is known."""
        picked = States.unknown(len(rows))
        there = np.flatnonzero(rows >= 0)
        picked.put(there, States(self.known[rows[there]], self.values[rows[there]], self.has_planned[rows[there]]))
        return picked

    def put(self, rows: Ints, states: States) -> None:
        """Overwrites these rows; only for who has just made the arrays."""
        self.known[rows], self.values[rows], self.has_planned[rows] = states.known, states.values, states.has_planned


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
    group, pair = _distinct(panel.category_of[places], as_of)
    category = ahead([panel.groups[number] for number in group[0]], group[1], days=days)[pair]
    around = np.lib.stride_tricks.sliding_window_view(own, 3, axis=2)
    return around.transpose(0, 2, 1, 3), category[:, :, 1:].transpose(0, 2, 1)


def _states(panel: Panel, places: Ints, as_of: Ints, reports: Ints) -> States:
    # Where nothing was reported for weeks, the windows end whole weeks earlier: a gap is not a time without demand.
    skipped = (as_of - reports) // 7 * 7
    series = [panel.series[place] for place in places]
    own = past(series, as_of - skipped, days=WINDOW_DAYS)
    first_sale = np.fromiter((one.first_sale for one in series), np.int64, len(series))
    sold = own[:, SALES, ::-1] > 0
    values = state_features(
        own,
        store=_group_past(panel, panel.store_of[places], as_of),
        category=_group_past(panel, panel.category_of[places], as_of),
        demand=known_demand(own),
        days_since_sale=skipped + np.where(sold.any(1), sold.argmax(1), WINDOW_DAYS),
        days_since_report=as_of - reports,
        days_since_first_sale=np.clip(as_of - first_sale, 0, WINDOW_DAYS),  # the true age would tell the date
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


def _group_past(panel: Panel, numbers: Ints, as_of: Ints) -> Floats32:
    group, pair = _distinct(numbers, as_of)
    return past([panel.groups[number] for number in group[0]], group[1], days=WINDOW_DAYS)[pair]


def _distinct(numbers: Ints, as_of: Ints) -> tuple[Ints, Ints]:
    """The distinct pairs of group and day as [2, pairs], and which of them each row is."""
    pairs, which = np.unique(np.stack([numbers, as_of]), axis=1, return_inverse=True)
    return pairs, which
