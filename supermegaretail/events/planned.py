"""Planners' events as they are looked up, and what they make of an item's recent level.

A model starts at the recent level, so an event is fed to it as the level that its days are expected to have. A level
that knows some of the event's days already is not given the effect twice: with g the effect of a day, and 1 without
one, the level is multiplied by g of the target day ÷ (the means of g over the last 7, 14 and 28 days, averaged as the
level is). After an event that puts right what it left behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from common.state.overrides import Override
from supermegaretail.events.earlier import like_earlier
from supermegaretail.features import Floats
from supermegaretail.overriding import Scope, category_of
from supermegaretail.panel import Key, Panel

LEVEL_DAYS = (7, 14, 28)  # over which the recent level is averaged: `formulas.stable_columns`
AFTER_DAYS = max(LEVEL_DAYS)  # so long a level remembers an event
LEAST, MOST = 0.01, 100.0  # times the usual demand, of all events of a day together
SAME = 1e-6
OCCASIONS = 8  # of so many earlier events the effect is taken


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One event; its days are ordinals. `factor` is None where it is expected to be like earlier ones of its name."""

    id: str
    name: str
    scope: Scope
    first: int
    last: int
    factor: float | None
    owner: str
    reason: str

    @classmethod
    def of(cls, stored: Override) -> PlannedEvent | None:
        """None for one that this version does not understand."""
        told = stored.value
        try:
            first, last = (date.fromisoformat(told[name]).toordinal() for name in ("first_day", "last_day"))
            name, factor = str(told["name"]), None if told["factor"] is None else float(told["factor"])
        except (KeyError, TypeError, ValueError):
            return None
        return cls(stored.id, name, Scope.of(stored.target), first, last, factor, stored.owner, stored.reason)

    def is_about(self, key: Key, category: str) -> bool:
        """Of an item of its store."""
        return self.scope.sku in ("", key[1]) and self.scope.category in ("", category)


@dataclass(frozen=True, slots=True)
class Planning:
    """What events had to do with one item's demand."""

    named: tuple[tuple[PlannedEvent, Floats], ...]
    without: Floats  # the demand [horizon] that the same tier tells without them


@dataclass(frozen=True, slots=True)
class Fed:
    """What events make of the recent level of n items."""

    factors: Floats  # [n, horizon], 1 where there is nothing to be made of it
    named: Mapping[int, tuple[tuple[PlannedEvent, Floats], ...]]  # by row: each event, and its effect [horizon]

    def of(self, rows: Sequence[int]) -> Fed | None:
        """What concerns these rows, in their order."""
        named = {place: self.named[row] for place, row in enumerate(rows) if row in self.named}
        return Fed(self.factors[rows], named) if named else None

    def planning(self, row: int, without: Floats) -> Planning | None:
        """None of an item that no event touches; `without` [horizon] is its demand without them."""
        named = self.named.get(row)
        return None if named is None else Planning(named, without)

    @property
    def highest(self) -> Floats:
        """By how much the most that is plausible rises [n]; at least 1."""
        return np.asarray(self.factors.max(1, initial=1.0))


@dataclass(frozen=True, slots=True)
class PlannedEvents:
    """All that are known, by store; made when they change and never changed. `version` names just these."""

    by_store: Mapping[str, tuple[PlannedEvent, ...]] = field(default_factory=dict)
    version: str = ""  # "" where there are none

    @classmethod
    def of(cls, stored: Iterable[Override]) -> PlannedEvents:
        events = [event for one in stored if (event := PlannedEvent.of(one)) is not None]
        by_store: dict[str, list[PlannedEvent]] = {}
        for event in sorted(events, key=lambda event: (event.first, event.id)):
            by_store.setdefault(event.scope.store, []).append(event)
        names = "\n".join(sorted(event.id for event in events))
        version = hashlib.sha256(names.encode()).hexdigest()[:12] if events else ""
        return cls({store: tuple(some) for store, some in by_store.items()}, version)

    def feed(self, keys: Sequence[Key], panel: Panel, *, as_of: date, horizon_days: int) -> Fed | None:
        """What the events make of these items' levels on the days after `as_of`; None where they touch none."""
        if not self.by_store:
            return None
        today, factors, effects = as_of.toordinal(), np.ones((len(keys), horizon_days)), dict[str, float]()
        named: dict[int, tuple[tuple[PlannedEvent, Floats], ...]] = {}
        for row, key in enumerate(keys):
            near = [
                event
                for event in self.by_store.get(key[0], ())
                if event.first <= today + horizon_days and event.last > today - AFTER_DAYS
            ]
            some = [event for event in near if event.is_about(key, category_of(panel, key))]
            if not some:
                continue
            for event in some:
                if event.id not in effects:
                    effects[event.id] = self.effect(event, panel, as_of)
            made = _fed([(event, effects[event.id]) for event in some], today, horizon_days)
            if np.abs(made - 1).max() > SAME:
                factors[row] = made
                named[row] = tuple((event, _fed([(event, effects[event.id])], today, horizon_days)) for event in some)
        return Fed(factors, named) if named else None

    def effect(self, event: PlannedEvent, panel: Panel, as_of: date) -> float:
        """By how much an event is expected to multiply demand."""
        if event.factor is not None:
            return event.factor
        name = event.name.casefold()
        alike = [one for one in self.by_store[event.scope.store] if one.name.casefold() == name and one is not event]
        spans = [(one.first, one.last) for one in alike if one.scope == event.scope and one.first < event.first]
        return like_earlier(event.scope, spans[-OCCASIONS:], panel, as_of)


def _fed(effects: Sequence[tuple[PlannedEvent, float]], today: int, horizon_days: int) -> Floats:
    """By what the level is to be multiplied on each target day [horizon]."""
    first = today - AFTER_DAYS + 1
    days = np.ones(AFTER_DAYS + horizon_days)
    for event, effect in effects:
        days[max(event.first - first, 0) : max(event.last - first + 1, 0)] *= effect
    days = np.clip(days, LEAST, MOST)
    past, ahead = days[:AFTER_DAYS], days[AFTER_DAYS:]
    return np.asarray(ahead / np.mean([past[-some:].mean() for some in LEVEL_DAYS]))
