"""The sales history as an immutable snapshot, ready to be asked for the inputs of the models.

The state of every series as of the last day is computed when the snapshot is made, so that the usual question is a
lookup. For another `as_of` it is computed for the asked items alone, by the same expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from supermegaretail.features import EXTENDED, STABLE, Floats, extended_features
from supermegaretail.panel import Key, Panel
from supermegaretail.series import SALES, Ints
from supermegaretail.states import PLANNED_CHANNELS, Flags, States, planned_ahead, states_of


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the models are sent about n items."""

    known: Flags  # [n] whether any day's sales are known on or before as_of
    stable: Floats  # [n, STABLE], NaN where not known
    extended: Floats  # [n, horizon, EXTENDED], NaN where missing
    planned_missing: Flags  # [n] whether a target day lacks a planned input that the item normally has


class SalesHistory:
    """All sales and plans up to now. Safe to read from many threads: `updated` makes another one."""

    __slots__ = ("_last_day", "_latest", "panel", "reported_until")

    def __init__(self, panel: Panel, last_day: int, latest: States) -> None:
        self.panel = panel
        self._last_day = last_day
        self._latest = latest
        reports = [one.last_observed for one in panel.series if one.last_observed]
        self.reported_until = int(np.median(reports)) if reports else 0  # ordinal: up to when most series report

    @classmethod
    def build(cls, table: pl.DataFrame) -> SalesHistory:
        """The history in a canonical table, which may be empty."""
        return cls(Panel(), 0, States.unknown(0)).updated(table)

    @property
    def last_day(self) -> date | None:
        """The last day with observed sales."""
        return date.fromordinal(self._last_day) if self._last_day else None

    def updated(self, rows: pl.DataFrame) -> SalesHistory:
        """This history with canonical rows (sales, plans or both) merged in; computes anew only what they concern."""
        panel, touched = self.panel.updated(rows)
        everything = np.arange(len(panel.series))
        last_day = max([self._last_day, *(panel.series[place].last_observed for place in touched)])
        latest = self._latest.at(np.where(everything < len(self.panel.series), everything, -1))
        # A store's profile is part of the state of all its series, and another last day is of all there are.
        concerned = np.isin(panel.store_of, panel.store_of[touched]) | (last_day != self._last_day)
        places = everything[concerned]
        latest.put(places, states_of(panel, places, np.full(len(places), last_day)))
        return SalesHistory(panel, last_day, latest)

    def inputs(self, items: Sequence[Key], *, as_of: date, horizon_days: int) -> ModelInputs:
        """The features of each item, in the order asked."""
        places, found = self._look_up(items, as_of)
        extended = np.full((len(items), horizon_days, len(EXTENDED)), np.nan)
        missing = np.zeros(len(items), bool)
        rows = np.flatnonzero(found.known)
        if len(rows):
            days = np.full(len(rows), as_of.toordinal())
            plans, category = planned_ahead(self.panel, places[rows], days, days=horizon_days)
            features = extended_features(
                np.repeat(found.values[rows], horizon_days, axis=0),
                plans.reshape(-1, *plans.shape[2:]),
                category.reshape(-1, category.shape[2]),
            )
            extended[rows] = features.reshape(len(rows), horizon_days, len(EXTENDED))
            absent = np.isnan(plans[:, :, PLANNED_CHANNELS, 1]).any(1)
            missing[rows] = (found.has_planned[rows] & absent).any(1)
        return ModelInputs(found.known, found.values[:, : len(STABLE)], extended, missing)

    def stable(self, items: Sequence[Key], *, as_of: date) -> tuple[Flags, Floats]:
        """`known` and `stable` of `inputs` alone."""
        _, found = self._look_up(items, as_of)
        return found.known, found.values[:, : len(STABLE)]

    def highest_sales(self, items: Sequence[Key], *, as_of: date) -> Floats:
        """The most units that each item ever sold on a day up to `as_of`; 0 where nothing is known."""
        highest = np.zeros(len(items))
        for row, item in enumerate(items):
            place = self.panel.places.get(item)
            if place is not None:
                one = self.panel.series[place]
                sales = one.values[SALES, : max(as_of.toordinal() + 1 - one.first_day, 0)]
                highest[row] = np.fmax.reduce(sales, initial=0)
        return highest

    def _look_up(self, items: Sequence[Key], as_of: date) -> tuple[Ints, States]:
        places = np.fromiter((self.panel.places.get(item, -1) for item in items), np.int64, len(items))
        if as_of.toordinal() == self._last_day:
            return places, self._latest.at(places)
        found = States.unknown(len(items))
        there = np.flatnonzero(places >= 0)
        found.put(there, states_of(self.panel, places[there], np.full(len(there), as_of.toordinal())))
        return places, found
