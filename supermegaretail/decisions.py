"""What people had decided as of a day, as labelling functions; and the labels that each training makes of it anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
from sqlalchemy import Engine

from common.contract import FIRST_YEAR
from common.state.overrides import Override, OverrideStore, iso
from common.versions.registry import Registry
from supermegaretail.batch_file import SERVICE, batch_of, models_of
from supermegaretail.events.desk import SCOPE as EVENTS
from supermegaretail.events.planned import PlannedEvent, PlannedEvents
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import Forecast, Function, Labelled, label
from supermegaretail.models import Models
from supermegaretail.overriding import Decision, Overrides, Scope
from supermegaretail.panel import Key

EARLIEST = date(FIRST_YEAR, 1, 1).toordinal()
ForecastOf = Callable[[SalesHistory], Forecast | None]


@dataclass(frozen=True, slots=True)
class Decisions:
    """All overrides and events on record, in force and past, and the moment until which they are known."""

    overrides: Sequence[Override]
    events: Sequence[Override]
    now: datetime

    @classmethod
    def read(cls, state: Engine, *, now: datetime) -> Decisions:
        overrides, events = (
            [*store.in_force(now=now), *store.past(now=now)]
            for store in (OverrideStore(state, SERVICE), OverrideStore(state, EVENTS))
        )
        return cls(overrides, events, now)

    def earlier(self, days: int) -> Decisions:
        """What was known of them so many days ago."""
        then = self.now - timedelta(days=days)
        overrides, events = (
            [
                one if (one.withdrawn_at or "") <= iso(then) else replace(one, withdrawn_at=None)
                for one in some
                if one.created_at <= iso(then)
            ]
            for some in (self.overrides, self.events)
        )
        return Decisions(overrides, events, then)

    def functions(self, last_day: date) -> list[Function]:
        """The newest first; `last_day` is the last one with sales, which may be older than `now`."""
        return functions_of(self.overrides, self.events, last_day, now=self.now)


def functions_of(
    overrides: Sequence[Override], events: Sequence[Override], last_day: date, *, now: datetime
) -> list[Function]:
    """What each says, and for how long it was in force; the newest first.

    Without a first day one begins when it was made, or with the next day to be sold. What is over says nothing of days
    to come, and what was withdrawn before a day was over says nothing of that day. What begins before `FIRST_YEAR` was
    stored before that was refused, and is left out.
    """
    found = []
    for one in overrides:
        if (decision := Decision.of(one)) is not None:
            made = datetime.fromisoformat(one.created_at).astimezone(UTC).date()
            first = decision.first or min(made.toordinal(), last_day.toordinal() + 1)
            said = Function(one.id, Scope.of(one.target), decision.effect, decision.value, first, decision.last)
            found.append((one, said))
    found += [
        (one, Function(one.id, event.scope, "factor", event.factor, event.first, event.last))
        for one in events
        if (event := PlannedEvent.of(one)) is not None and event.factor is not None
    ]
    held = [(one.created_at, replace(said, last=min(said.last, _held(one, last_day, now=now)))) for one, said in found]
    newest = sorted(held, key=lambda told: told[0], reverse=True)
    return [said for _, said in newest if EARLIEST <= said.first <= said.last]


@dataclass(frozen=True, slots=True)
class MadeAnew:
    """Labels as a training asks for them, of a history as of a day: what was in force then and known of it then.

    Args:
        base_of: what labels start from, the mean: a core leans from what it is taught, and what was sold is compared
            with it.
        forecast_of: what the same version serves.
    """

    decisions: Decisions
    base_of: ForecastOf
    forecast_of: ForecastOf

    def __call__(self, history: SalesHistory, as_of: date) -> pl.DataFrame:
        return self.labelled(history, as_of).rows

    def labelled(self, history: SalesHistory, as_of: date) -> Labelled:
        assert history.last_day is not None
        functions = self.decisions.earlier((history.last_day - as_of).days).functions(as_of)
        model = self.base_of(history) if functions else None
        return label(history, functions, model, as_of=as_of)


def labels_in_force(registry: Registry, state: Engine, *, version: str, now: datetime) -> tuple[str, MadeAnew]:
    """The version behind a name, which tells the base, and the labels; without such a version the moving average."""
    models, _ = models_of(registry, version)

    def asking(models: Models | None) -> ForecastOf:
        return partial(_forecast_of, models, registry, state)

    mean = None if models is None else replace(models, core=models.core.without_lean())
    labels = MadeAnew(Decisions.read(state, now=now), base_of=asking(mean), forecast_of=asking(models))
    return version if models is None else models.core_version, labels


def _forecast_of(models: Models | None, registry: Registry, state: Engine, history: SalesHistory) -> Forecast | None:
    """What these models say by themselves of items of that history."""
    if models is None:
        return None

    def forecast(items: list[Key], as_of: date, days: int) -> Floats:
        batch = batch_of(history, models, registry, state, as_of=as_of, horizon_days=days)
        made = replace(batch, overrides=Overrides(), events=PlannedEvents()).table(items)
        return made["demand"].to_numpy().astype(np.float64).reshape(len(items), days)

    return forecast


def _held(one: Override, last_day: date, *, now: datetime) -> int:
    """The last day that it says something about."""
    end = datetime.fromisoformat(one.ends_at).astimezone(UTC) - timedelta.resolution
    if one.withdrawn_at is not None:
        end = min(end, datetime.fromisoformat(one.withdrawn_at).astimezone(UTC) - timedelta(days=1))
    last = end.date().toordinal()
    return last if one.active(now) else min(last, last_day.toordinal())
