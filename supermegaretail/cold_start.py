"""Cold starts: what an item without sales of its own, or with a few days of them, borrows from its group.

The group is the same product in other stores, or else the finest of its categories in the chain that lends. It is
scaled by how much the item's store sells of what other stores sell, too. The item itself is always taken out of the
group's means: so examples whose past was hidden borrow just what a new item would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from supermegaretail.formulas import WINDOW_DAYS, Flags, Floats
from supermegaretail.panel import Panel
from supermegaretail.series import AVERAGED, GROUP_CHANNELS, SALES, Floats32, Ints, Series, lent_demand, past, windows

FEW_DAYS = 14  # an item with fewer known days borrows
RECENT_DAYS = 28  # a group that nothing is known of for so long lends nothing, and stores are compared over them
STORE_ITEMS = 5  # of size 1 are added to a store's: few items tell little about its size
STORE_SERIES = 1_000  # of a store are enough to tell its size


class Origin(IntEnum):
    """Whose sales a state tells about, beside the item's own."""

    OWN = 0  # nobody else's
    PRODUCT = 1  # the same product's in other stores
    CATEGORY = 2  # the same category's in the chain


# How many days of an item's own sales the group counts as. The error of the next 7 days' level on starts simulated in
# FreshRetailNet (three origins, WAPE): known days 1, 3, 7 → own alone .392 .386 .343, with the product .360 .360 .340,
# with the category .387 .378 .343.
DAYS_WORTH = np.array([0.0, 2.0, 0.5])


@dataclass(frozen=True, slots=True)
class Loan:
    """What m of n items borrow."""

    rows: Ints  # [m] which of the n
    origin: Ints  # [m]
    weight: Floats  # [m] of the group in the level; 1 where nothing is known of the item itself
    group: Floats32  # [m, AVERAGED, WINDOW_DAYS] the group's means by day, its demand scaled to the item's store

    @property
    def demand(self) -> Floats32:
        return self.group[:, SALES]


def borrow(panel: Panel, places: Ints, as_of: Ints, *, known_days: Ints) -> Loan:
    """A loan for those of the series at `places` that know fewer than FEW_DAYS, and have a group to borrow from.

    `known_days` [n] of demand up to `as_of`; 0 where they are to be hidden.
    """
    rows = np.flatnonzero(known_days < FEW_DAYS)
    places, as_of, known = places[rows], as_of[rows], known_days[rows]
    mine = share(panel, places, as_of)
    origin = np.zeros(len(rows), np.int64)
    lent = np.full((len(rows), AVERAGED, WINDOW_DAYS), np.nan, np.float32)

    def ask(kind: Origin, asking: Ints, groups: Floats32) -> None:
        lending = ~np.isnan(groups[:, SALES, -RECENT_DAYS:]).all(1)
        origin[asking[lending]] = kind
        lent[asking[lending]] = groups[lending]

    ask(Origin.PRODUCT, np.arange(len(rows)), groups_past(panel, panel.product_of[places], as_of, taken_out=mine))
    told = [panel.told[place] for place in places.tolist()]
    for level in sorted({level for one in told for level in one}, reverse=True):
        asking = np.flatnonzero((origin == Origin.OWN) & np.array([level in one for one in told]))
        if len(asking):
            ask(Origin.CATEGORY, asking, _category_past(panel, places[asking], as_of[asking], level, mine[asking]))
    found = np.flatnonzero(origin)
    sizes = _store_sizes(panel, places[found], as_of[found], mine[found])
    lent[found, SALES] *= sizes[:, None].astype(np.float32)
    worth = DAYS_WORTH[origin[found]] * (1 - known[found] / FEW_DAYS)
    weight = np.where(known[found] > 0, worth / (known[found] + worth), 1)
    return Loan(rows[found], origin[found], weight, lent[found])


def groups_past(panel: Panel, numbers: Ints, as_of: Ints, *, taken_out: Floats32) -> Floats32:
    """Means by day of these groups up to `as_of`, without one member each: [n, AVERAGED, WINDOW_DAYS].

    `taken_out` is the `share` of that member. NaN where nothing is known of the others.
    """
    return _past_others([panel.groups[number] for number in numbers.tolist()], as_of, taken_out)


def _category_past(panel: Panel, places: Ints, as_of: Ints, level: int, taken_out: Floats32) -> Floats32:
    """The same of all that is in the category of that level of the series at `places`: all its finer ones together."""
    categories = [(level, panel.told[place][level][1]) for place in places.tolist()]
    distinct = sorted({*categories})
    start, end = int(as_of.min()) - WINDOW_DAYS + 1, int(as_of.max()) + 1
    means = dict(zip(distinct, panel.category_means(distinct, start, end), strict=True))
    return _past_others([means[category] for category in categories], as_of, taken_out)


def _past_others(groups: Sequence[Series], as_of: Ints, taken_out: Floats32) -> Floats32:
    means = past(groups, as_of, days=WINDOW_DAYS, channels=GROUP_CHANNELS)
    return _others(means[:, :AVERAGED], means[:, AVERAGED:], taken_out)


def share(panel: Panel, places: Ints, as_of: Ints) -> Floats32:
    """What the series at `places` put into the means of their groups up to `as_of`: [n, AVERAGED, WINDOW_DAYS]."""
    series = [panel.series[place] for place in places.tolist()]
    values = past(series, as_of, days=WINDOW_DAYS, channels=AVERAGED)
    values[:, SALES] = lent_demand(series, values)
    return values


def _others(group: Floats32, count: Floats32, taken_out: Floats32) -> Floats32:
    """Means [n, ..., days] of the other members of groups, one of the `count` that are in the mean having had this."""
    mine = ~np.isnan(taken_out)
    others = np.nan_to_num(count) - mine
    total = np.nan_to_num(group * count) - np.where(mine, taken_out, 0)
    mean: Floats32 = np.where(others > 0, np.maximum(total, 0) / np.maximum(others, 1), np.float32(np.nan))
    return mean


def _store_sizes(panel: Panel, places: Ints, as_of: Ints, mine: Floats32) -> Floats:
    """How much the store of each series sells [n] relative to other stores, of the products that they share.

    Of the last RECENT_DAYS up to `as_of`; 1 where nothing can be compared. The series' own share `mine` counts not.
    """
    sizes = np.ones(len(places))
    shared = np.bincount(panel.product_of, minlength=len(panel.groups))[panel.product_of] > 1
    for store in np.unique(panel.store_of[places]).tolist():
        members = np.flatnonzero(shared & (panel.store_of == store))
        members = members[:: 1 + len(members) // STORE_SERIES]
        if len(members):
            rows = np.flatnonzero(panel.store_of[places] == store)
            counted = np.isin(places[rows], members)
            here, elsewhere, compared = _compared(panel, members, as_of[rows])
            own = _mine(panel, places[rows], as_of[rows], mine[rows], counted)
            here, elsewhere, compared = here - own[0], elsewhere - own[1], compared - own[2]
            ratio = np.where(elsewhere > 0, here / np.where(elsewhere > 0, elsewhere, 1), 1)
            prior = STORE_ITEMS * RECENT_DAYS
            sizes[rows] = (np.maximum(ratio, 0) * compared + prior) / (compared + prior)
    return sizes


def _compared(panel: Panel, members: Ints, as_of: Ints) -> Floats:
    """Units here, units elsewhere and the number of days compared [3, n], summed over `members` of one store."""
    start, end = int(as_of.min()) - RECENT_DAYS + 1, int(as_of.max()) + 1
    starts = np.full(len(members), start)
    series = [panel.series[place] for place in members.tolist()]
    own = lent_demand(series, windows(series, starts, days=end - start, channels=2))
    groups = [panel.groups[number] for number in panel.product_of[members].tolist()]
    means = windows(groups, starts, days=end - start, channels=GROUP_CHANNELS)
    others = _others(means[:, SALES], means[:, AVERAGED + SALES], own)
    sums = np.zeros((3, end - start + 1))
    sums[:, 1:] = np.cumsum(_pair_sums(own, others, axis=0), axis=1)
    last = as_of - start + 1
    return np.asarray(sums[:, last] - sums[:, last - RECENT_DAYS])


def _mine(panel: Panel, places: Ints, as_of: Ints, mine: Floats32, counted: Flags) -> Floats:
    """What the series themselves add to `_compared` [3, n]; 0 for those that are not `counted`."""
    others = groups_past(panel, panel.product_of[places], as_of, taken_out=mine)[:, SALES]
    own = mine[:, SALES, -RECENT_DAYS:]
    return _pair_sums(own, others[:, -RECENT_DAYS:], axis=1) * counted


def _pair_sums(own: Floats32, others: Floats32, *, axis: int) -> Floats:
    both = ~np.isnan(own) & ~np.isnan(others)
    return np.stack([np.sum(part, axis=axis, where=both, dtype=np.float64) for part in (own, others, both)])
