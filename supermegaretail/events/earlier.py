"""What earlier events of a name did to a place: what was sold on their days ÷ what is usual for these weekdays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import median

import numpy as np

from supermegaretail.overriding import Scope
from supermegaretail.panel import Panel
from supermegaretail.series import SALES, Series, known_demand

WEEKS_BEFORE = 4
BELIEVED = 1.0  # occasions that nothing came of, beside those that were seen: one alone is halved
LOWEST, HIGHEST = 0.1, 5.0


def like_earlier(scope: Scope, spans: Sequence[tuple[int, int]], panel: Panel, as_of: date) -> float:
    """The effect of events over `spans` (first and last day, ordinals) on the place's demand; 1 where none is known.

    No day after `as_of` is looked at. Each span is one occasion; their logarithms are averaged and drawn towards 0.
    """
    series = _series(scope, panel)
    if series is None:
        return 1.0
    demand = known_demand(series.values) if scope.sku else series.values[SALES]
    ratios = [
        _ratio(demand, first - series.first_day, min(last, as_of.toordinal()) - series.first_day)
        for first, last in spans
    ]
    known = [np.log(np.clip(ratio, LOWEST, HIGHEST)) for ratio in ratios if ratio is not None]
    return float(np.exp(np.sum(known) / (len(known) + BELIEVED)))


def _ratio(demand: np.ndarray[tuple[int, ...], np.dtype[np.float32]], first: int, last: int) -> float | None:
    """What the days sold ÷ the medians of their weekdays in the weeks before; None where not known."""
    sold = usual = 0.0
    for day in range(max(first, 0), min(last + 1, len(demand))):
        weeks = (day - first) // 7 + 1  # back to before the event began
        before = [demand[day - 7 * week] for week in range(weeks, weeks + WEEKS_BEFORE) if day - 7 * week >= 0]
        known = [float(one) for one in before if not np.isnan(one)]
        if known and not np.isnan(demand[day]):
            sold += float(demand[day])
            usual += median(known)  # another event among these weeks is no part of the usual
    return sold / usual if usual > 0 else None


def _series(scope: Scope, panel: Panel) -> Series | None:
    """The mean demand of the place, day by day."""
    if scope.sku:
        place = panel.places.get((scope.store, scope.sku))
        return None if place is None else panel.series[place]
    if not scope.category:
        number = panel.group_numbers.get(("store", scope.store))
        return None if number is None else panel.groups[number]
    for name, number in panel.group_numbers.items():
        if name[0] == "category in store" and (name[1], name[-1]) == (scope.store, scope.category):
            return panel.groups[number]
    return None
