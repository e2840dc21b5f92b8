"""What is known about series as of a day, and what is planned for the days after it: windows of days put into features.

Training and serving both come through here, the one with many days of each series, the other with many series of a day.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from supermegaretail.cold_start import FEW_DAYS, Origin, borrow, groups_past, share
from supermegaretail.features import STATE, Floats, state_features
from supermegaretail.formulas import WINDOW_DAYS, Lent
from supermegaretail.panel import Panel
from supermegaretail.series import AVERAGED, CHANNELS, EVENT, SALES, STOCKOUT, Floats32, Ints, ahead, past, usual_demand

Flags: TypeAlias = npt.NDArray[np.bool_]

PLANNED = ("price", "discount", "promotion", "holiday", "event")  # known ahead; x_… are only as a forecast
PLANNED_CHANNELS = tuple(CHANNELS.index(name) for name in PLANNED)
ENDED_AFTER_DAYS = 28
NORMALLY = 0.5  # an input that is known on fewer of the days is not missed
WHOLE_UNITS = 0.99  # share of the last WHOLE_DAYS with whole numbers from which an item is sold by the piece
WHOLE_DAYS = 56
CHUNK = 4_096  # series whose windows are in memory at once: about 60 MB
DAYS_BEYOND_ALL = 1 << 22  # more than any ordinal of a day


@dataclass(frozen=True, slots=True)
class States:
    """The state of n series."""

    known: Flags  # [n] whether any day's sales are known, the item's own or those of a group that it starts from
    values: Floats  # [n, STATE]
    cold: Flags  # [n] whether it is known by a group alone
    origin: Ints  # [n] the group, as an `Origin`: also of items with few days of sales, whose level it draws
    has_planned: Flags  # [n, PLANNED] which planned inputs the series normally has
    by_the_piece: Flags  # [n] whether it is sold in whole units; not where no sales of its own are known

    @classmethod
    def unknown(cls, n: int) -> States:
        flags, origin = np.zeros(n, bool), np.full(n, int(Origin.OWN))
        planned = np.zeros((n, len(PLANNED)), bool)
        return cls(flags, np.full((n, len(STATE)), np.nan), flags.copy(), origin, planned, flags.copy())

    def at(self, rows: Ints | slice) -> States:
        """The states in these rows, copied (of a slice, not copied)."""
        return States(*(getattr(self, name)[rows] for name in STATE_PARTS))

    def put(self, rows: Ints | slice, states: States) -> None:
        """Overwrites these rows; only for who has just made the arrays."""
        for name in STATE_PARTS:
            getattr(self, name)[rows] = getattr(states, name)


STATE_PARTS = tuple(part.name for part in fields(States))


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
        """A copy for `n` series in which these are to be prepared anew; the old ones stay as they are.

        So are all that borrow from a group, or would if they found one: whoever's sales changed may be in theirs.
        """
        copied = self.beside(n)
        copied._as_of[places] = 0
        few = copied.states.values[:, STATE.index("days_known_28")] < FEW_DAYS
        copied._as_of[~copied.states.known | (copied.states.origin != Origin.OWN) | few] = 0
        return copied

    def beside(self, n: int) -> PreparedStates:
        """A copy for `n` series; those that come on top are to be prepared."""
        copied, kept = PreparedStates(n), len(self._as_of) - 1
        copied._as_of[:kept] = self._as_of[:kept]  # first: a row that is prepared meanwhile is not marked here
        copied.states.put(slice(kept), self.states.at(slice(kept)))
        return copied

    def lacking(self, places: Ints, day: int) -> Ints:
        """Those of these series of which the state as of `day` is not at hand; -1 is nobody, and lacks nothing."""
        lacking: Ints = places[(self._as_of[places] != day) & (places >= 0)]
        return lacking

    def prepare(self, panel: Panel, places: Ints, day: int) -> None:
        """Computes the states of these series as of `day` where they are not at hand."""
        lacking = self.lacking(places, day)
        for start in range(0, len(lacking), CHUNK):
            rows = lacking[start : start + CHUNK]
            self.states.put(rows, states_of(panel, rows, np.full(len(rows), day)))
            self._as_of[rows] = day


def states_of(panel: Panel, places: Ints, as_of: Ints, *, hidden: Flags | None = None) -> States:
    """The state of the series at `places`, each as of its own day (an ordinal).

    Those that are `hidden` [n] are treated as if nothing had been known about them until that day.
    """
    found = States.unknown(len(places))
    hide: Flags = np.zeros(len(places), bool) if hidden is None else hidden
    for start in range(0, len(places), CHUNK):
        rows = slice(start, start + CHUNK)
        found.put(rows, _states(panel, places[rows], as_of[rows], hide[rows]))
    return found


def planned_ahead(panel: Panel, places: Ints, as_of: Ints, *, days: int) -> tuple[Floats32, Floats32]:
    """Plans for each of the `days` after `as_of`, of series and of their categories.

    The former are [n, days, channels, 3] (the day before, the day, the day after), the latter [n, days, channels].
    """
    own = ahead([panel.series[place] for place in places], as_of, days=days + 1)
    group, day, which = _distinct(panel.category_of[places], as_of)
    category = ahead([panel.groups[number] for number in group.tolist()], day, days=days, channels=AVERAGED)[which]
    around = np.stack([own[:, :, :-2], own[:, :, 1:-1], own[:, :, 2:]], axis=-1)
    return around.transpose(0, 2, 1, 3), category[:, :, 1:].transpose(0, 2, 1)


def _states(panel: Panel, places: Ints, as_of: Ints, hidden: Flags) -> States:
    series = [panel.series[place] for place in places.tolist()]
    reports = np.array([one.last_report(day) for one, day in zip(series, as_of.tolist(), strict=True)], np.int64)
    cold = (reports == 0) | hidden
    reports = np.where(cold, as_of, reports)
    # Where nothing was reported for weeks, the windows end whole weeks earlier: a gap is not a time without demand.
    skipped = (as_of - reports) // 7 * 7
    own = past(series, as_of - skipped, days=WINDOW_DAYS)
    demand = usual_demand(own)
    known_days = np.where(cold, 0, (~np.isnan(demand)).sum(1))
    loan = borrow(panel, places, as_of, known_days=known_days)
    taken_out = share(panel, places[hidden], as_of[hidden])
    own[hidden] = np.nan
    normally_planned, by_the_piece = _normally_planned(own), _by_the_piece(own[:, SALES, -WHOLE_DAYS:])
    starting = cold[loan.rows]
    rows = loan.rows[starting]
    own[rows, : STOCKOUT + 1] = loan.group[starting, : STOCKOUT + 1]
    own[rows, :AVERAGED] = np.where(np.isnan(own[rows, :AVERAGED]), loan.group[starting], own[rows, :AVERAGED])
    demand[cold] = np.nan
    demand[rows] = loan.demand[starting]
    origin = np.full(len(places), int(Origin.OWN))
    origin[loan.rows] = loan.origin
    first_sale = np.fromiter((one.first_sale for one in series), np.int64, len(series))
    sold = own[:, SALES, ::-1] > 0
    store, store_of = _groups_past(panel, panel.store_of[places], as_of, hidden, taken_out)
    category, category_of = _groups_past(panel, panel.category_of[places], as_of, hidden, taken_out)
    product, product_of = _groups_past(panel, panel.product_of[places], as_of, hidden, taken_out)
    values = state_features(
        own,
        demand=demand,
        store=store,
        store_of=store_of,
        category=category,
        category_of=category_of,
        product=product,
        product_of=product_of,
        lent=Lent(loan.rows, loan.weight, loan.demand),
        days_since={
            "sale": np.where(cold, 0, skipped + np.where(sold.any(1), sold.argmax(1), WINDOW_DAYS)),
            # The true age would tell the date.
            "first_sale": np.where(cold, 0, np.clip(as_of - first_sale, 0, WINDOW_DAYS)),
            "report": as_of - reports,
        },
    )
    # A product that is no longer sold is not planned for, and nothing is missing.
    ended = as_of - reports >= ENDED_AFTER_DAYS
    values[cold, STATE.index("days_known_28")] = 0
    unknown = cold & (origin == Origin.OWN)
    values[unknown] = np.nan
    return States(~unknown, values, cold & ~unknown, origin, normally_planned & ~ended[:, None], by_the_piece)


def _by_the_piece(sold: Floats32) -> Flags:
    known = ~np.isnan(sold)
    whole = known & (sold == np.round(sold))
    flags: Flags = whole.sum(1) >= WHOLE_UNITS * np.maximum(known.sum(1), 1)
    return flags


def _normally_planned(own: Floats32) -> Flags:
    reported = ~np.isnan(own[:, SALES])
    given = ~np.isnan(own[:, PLANNED_CHANNELS]) & reported[:, None]
    has: Flags = given.sum(2) >= np.maximum(NORMALLY * reported.sum(1), 1)[:, None]
    has[:, PLANNED.index("event")] &= (own[:, EVENT] > 0).any(1)  # code 0 also stands where no events are told at all
    return has


def _groups_past(panel: Panel, numbers: Ints, as_of: Ints, hidden: Flags, taken_out: Floats32) -> tuple[Floats32, Ints]:
    """The windows of the distinct pairs of group and day, and which of them each row's is.

    A series that is `hidden` [n] gets a window of its own, its share `taken_out` [hidden, AVERAGED, WINDOW_DAYS].
    """
    group, day, which = _distinct(numbers, as_of)
    windows = past([panel.groups[number] for number in group.tolist()], day, days=WINDOW_DAYS, channels=AVERAGED)
    if not len(taken_out):
        return windows, which
    which[hidden] = len(windows) + np.arange(len(taken_out))
    others = groups_past(panel, numbers[hidden], as_of[hidden], taken_out=taken_out)
    return np.concatenate([windows, others]), which


def _distinct(numbers: Ints, as_of: Ints) -> tuple[Ints, Ints, Ints]:
    """The distinct pairs of group and day, and which of them each row is."""
    if len(numbers) == 1:  # one item is asked about so often that it is worth a line
        return numbers, as_of, np.zeros(1, np.int64)
    pairs, which = np.unique(numbers * DAYS_BEYOND_ALL + as_of, return_inverse=True)
    return pairs // DAYS_BEYOND_ALL, pairs % DAYS_BEYOND_ALL, which
