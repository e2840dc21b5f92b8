"""What earlier events of a name did to a place: what was sold on their days ÷ what is usual for these weekdays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache

import numpy as np

from supermegaretail.features import Floats
from supermegaretail.overriding import Scope
from supermegaretail.panel import Panel
from supermegaretail.series import SALES, Series, known_demand

WEEKS_BEFORE = 4
BELIEVED = 1.0  # occasions that nothing came of, beside those that were seen: one alone is halved
LOWEST, HIGHEST = 0.1, 5.0


class Earlier:
    """As one table of sales tells it; no day after `as_of` is looked at, and each occasion once."""

    def __init__(self, panel: Panel, as_of: date) -> None:
        self._panel = panel
        self._today = as_of.toordinal()
        self._demand = cache(self._demand_of)
        self._ratio = cache(self._ratio_of)

    def effect(self, scope: Scope, spans: Sequence[tuple[int, int]]) -> float:
        """Of events over `spans` (first and last day, ordinals) on the place's demand; 1 where none is known.

        Each span is one occasion; their logarithms are averaged and drawn towards 0.
        """
        ratios = [self._ratio(scope, first, last) for first, last in spans]
        known = [np.log(np.clip(ratio, LOWEST, HIGHEST)) for ratio in ratios if ratio is not None]
        return float(np.exp(np.sum(known) / (len(known) + BELIEVED)))

    def _demand_of(self, scope: Scope) -> tuple[int, Floats]:
        """Its first day, and the demand of each."""
        series = _series(scope, self._panel)
        if series is None:
            return 0, np.zeros(0)
        demand = known_demand(series.values) if scope.sku else series.values[SALES]
        return series.first_day, np.asarray(demand, np.float64)

    def _ratio_of(self, scope: Scope, first: int, last: int) -> float | None:
        """What the days sold ÷ the medians of their weekdays in the weeks before; None where not known."""
        start, demand = self._demand(scope)
        first, last = first - start, min(last, self._today) - start
        days = np.arange(max(first, 0), min(last + 1, len(demand)))
        weeks = (days - first) // 7 + 1  # back to before the event began
        back = days[:, None] - 7 * (weeks[:, None] + np.arange(WEEKS_BEFORE))
        before = np.sort(np.where(back >= 0, demand[np.maximum(back, 0)], np.nan))  # what is not known comes last
        count = (~np.isnan(before)).sum(1)
        known = (count > 0) & ~np.isnan(demand[days])
        days, before, count = days[known], before[known], count[known]
        rows = np.arange(len(days))
        # medians: another event among these weeks is no part of the usual
        usual = (before[rows, (count - 1) // 2] + before[rows, count // 2]).sum() / 2
        return float(demand[days].sum() / usual) if usual > 0 else None


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
