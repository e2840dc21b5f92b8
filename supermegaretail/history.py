"""The sales history as an immutable snapshot, ready to be asked for the inputs of the models.

The state of every series as of the last day is prepared when a history is built, so that the usual question is a
lookup. An update keeps what it does not concern; the rest is prepared when it is first asked for. For another `as_of` a
state is computed for the asked items alone, by the same formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from supermegaretail.cold_start import FEW_DAYS, Origin
from supermegaretail.features import EXTENDED, STABLE, Floats, extended_features
from supermegaretail.panel import Key, Panel
from supermegaretail.series import Ints
from supermegaretail.special_days import FLAGS, SpecialDays
from supermegaretail.states import CHUNK, PLANNED_CHANNELS, Flags, PreparedStates, States, planned_ahead, states_of


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the models are sent about n items."""

    known: Flags  # [n] whether any day's sales are known on or before as_of: the item's, or its group's
    stable: Floats  # [n, STABLE], NaN where not known
    extended: Floats  # [n, horizon, EXTENDED], NaN where missing
    planned_missing: Flags  # [n] whether a target day lacks a planned input that the item normally has
    cold: Flags  # [n] whether the item has no known sales of its own, and starts from its group's
    origin: Ints  # [n] that group, as a `cold_start.Origin`; also where few own days are filled up from it
    special: Floats  # [n, horizon] by how much holidays and events multiply what the store usually sells; 1 if unknown
    by_the_piece: Flags  # [n] whether the item is sold in whole units


class SalesHistory:
    """All sales and plans up to now. Safe to read from many threads: `updated` makes another one."""

    __slots__ = ("_last_day", "_last_reports", "_latest", "_special", "panel", "reported_until")

    def __init__(self, panel: Panel, last_reports: Ints, latest: PreparedStates, special: SpecialDays) -> None:
        self.panel = panel
        self._last_reports = last_reports  # [series] ordinal of the last day with known sales, 0 without any
        self._latest = latest
        self._special = special
        reports = last_reports[last_reports > 0]
        self._last_day = int(reports.max()) if len(reports) else 0
        self.reported_until = int(np.median(reports)) if len(reports) else 0  # ordinal: up to when most series report

    @classmethod
    def build(cls, table: pl.DataFrame) -> SalesHistory:
        """The history in a canonical table, which may be empty, with every state prepared."""
        nothing = np.empty(0, np.int64)
        history = cls(Panel(), nothing, PreparedStates(0), SpecialDays(Panel())).updated(table)
        history.prepare()
        return history

    @property
    def last_day(self) -> date | None:
        """The last day with observed sales."""
        return date.fromordinal(self._last_day) if self._last_day else None

    def updated(self, rows: pl.DataFrame) -> SalesHistory:
        """This history with canonical rows (sales, plans or both) merged in.

        A store's profile is part of the state of all its series, what a product does elsewhere of all that sell it:
        they are prepared anew. Another last day is of all.
        """
        panel, touched = self.panel.updated(rows)
        last_reports = np.append(self._last_reports, np.zeros(len(panel.series) - len(self._last_reports), np.int64))
        last_reports[touched] = [panel.series[place].last_observed for place in touched.tolist()]
        alike = [np.isin(groups, groups[touched]) for groups in (panel.store_of, panel.product_of)]
        concerned = np.flatnonzero(np.logical_or(*alike))
        latest = self._latest.without(concerned, len(panel.series))
        return SalesHistory(panel, last_reports, latest, self._special.updated(panel))

    def announcing(self, items: Sequence[Key]) -> SalesHistory:
        """This history, in which such of these items as no row tells of are new in a known store: of known products.

        It is this one where there are none; else it takes milliseconds, and what is prepared of the others is kept
        here, where the next question finds it.
        """
        panel = self.panel.announcing(items)
        if panel is self.panel:
            return self
        self._latest.prepare(self.panel, self._places(items), self._last_day)
        n = len(panel.series)
        last_reports = np.append(self._last_reports, np.zeros(n - len(self._last_reports), np.int64))
        return SalesHistory(panel, last_reports, self._latest.beside(n), self._special.beside(panel))

    def prepare(self) -> None:
        """Computes every state of the last day that is not prepared yet: takes about 20 µs for each."""
        self._special.prepare(self._last_day)
        self._latest.prepare(self.panel, np.arange(len(self.panel.series)), self._last_day)

    def is_prepared(self, items: Sequence[Key], *, as_of: date) -> bool:
        """Whether `stable` and `special` of these items would be a mere lookup, quick enough for the event loop."""
        if as_of.toordinal() != self._last_day or not self._special.is_prepared(self._last_day):
            return False
        return not len(self._latest.lacking(self._places(items), self._last_day))

    def inputs(self, items: Sequence[Key], *, as_of: date, horizon_days: int) -> ModelInputs:
        """The features of each item, in the order asked."""
        places, found = self._look_up(items, as_of)
        extended = np.full((len(items), horizon_days, len(EXTENDED)), np.nan)
        missing, special = np.zeros(len(items), bool), np.ones((len(items), horizon_days))
        known = np.flatnonzero(found.known)
        for start in range(0, len(known), CHUNK):
            rows = known[start : start + CHUNK]
            days = np.full(len(rows), as_of.toordinal())
            plans, category = planned_ahead(self.panel, places[rows], days, days=horizon_days)
            extended[rows] = extended_features(found.values[rows, None], plans, category)
            absent = np.isnan(plans[:, :, PLANNED_CHANNELS, 1]).any(1)
            missing[rows] = (found.has_planned[rows] & absent).any(1)
            flags = plans[:, :, FLAGS, 1].transpose(0, 2, 1)
            special[rows] = self._special.of_plans(places[rows], flags, as_of.toordinal())
        stable = found.values[:, : len(STABLE)]
        return ModelInputs(
            found.known, stable, extended, missing, found.cold, found.origin, special, found.by_the_piece
        )

    def stable(self, items: Sequence[Key], *, as_of: date) -> tuple[Flags, Floats]:
        """`known` and `stable` of `inputs` alone."""
        found = self.states(items, as_of=as_of)
        return found.known, found.values[:, : len(STABLE)]

    def states(self, items: Sequence[Key], *, as_of: date) -> States:
        """The state of each item, in the order asked."""
        return self._look_up(items, as_of)[1]

    def special(self, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Floats:
        """`special` of `inputs` alone."""
        return self._factors(self._places(items), as_of, horizon_days)

    def highest_sales(self, items: Sequence[Key], *, as_of: date) -> Floats:
        """The most units that each item ever sold on a day up to `as_of`; 0 where nothing is known.

        Of an item that is new, or has few days of sales, also the most that its group lets expect.
        """
        places, series, day = self.panel.places, self.panel.series, as_of.toordinal()
        found = [series[place] if (place := places.get(item)) is not None else None for item in items]
        highest = np.array([0.0 if one is None else one.highest_until(day) for one in found])
        young = [row for row, one in enumerate(found) if one is not None and day - one.first_observed < FEW_DAYS]
        if young:
            _, state = self._look_up([items[row] for row in young], as_of)
            expected = state.values[:, STABLE.index("level")] * state.values[:, STABLE.index("peak_28")]
            highest[young] = np.where(state.origin == Origin.OWN, highest[young], np.fmax(highest[young], expected))
        return highest

    def _factors(self, places: Ints, as_of: date, horizon_days: int) -> Floats:
        factors = np.ones((len(places), horizon_days))
        there = np.flatnonzero(places >= 0)
        factors[there] = self._special.factors(places[there], as_of=as_of.toordinal(), horizon_days=horizon_days)
        return factors

    def _places(self, items: Sequence[Key]) -> Ints:
        return np.fromiter((self.panel.places.get(item, -1) for item in items), np.int64, len(items))

    def _look_up(self, items: Sequence[Key], as_of: date) -> tuple[Ints, States]:
        places = self._places(items)
        if as_of.toordinal() == self._last_day:
            self._latest.prepare(self.panel, places, self._last_day)
            self._special.prepare(self._last_day)
            return places, self._latest.states.at(places)
        found = States.unknown(len(items))
        there = np.flatnonzero(places >= 0)
        found.put(there, states_of(self.panel, places[there], np.full(len(there), as_of.toordinal())))
        return places, found
