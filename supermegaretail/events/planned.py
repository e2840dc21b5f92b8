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
from typing import TypeAlias

import numpy as np

from common.state.overrides import REPLACED, Override
from supermegaretail.events.earlier import Earlier
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


Named: TypeAlias = tuple[tuple[PlannedEvent, Floats], ...]  # events, and the effect [horizon] of each


@dataclass(frozen=True, slots=True)
class Planning:
    """What events had to do with one item's demand."""

    named: Named
    without: Floats  # the demand [horizon] that the same tier tells without them


@dataclass(frozen=True, slots=True)
class Fed:
    """What events make of the recent level of n items."""

    factors: Floats  # [n, horizon], 1 where there is nothing to be made of it
    named: Mapping[int, Named]  # by row

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
    occasions: Mapping[str, tuple[PlannedEvent, ...]] = field(default_factory=dict)  # by one without a factor: earlier

    @classmethod
    def of(cls, stored: Sequence[Override], past: Iterable[Override] = ()) -> PlannedEvents:
        """Of those in force; what happened to those of the `past` tells what to expect of others of their name."""
        events = _by_day(stored)
        by_store, alike = dict[str, list[PlannedEvent]](), dict[tuple[Scope, str], list[PlannedEvent]]()
        for event in events:
            by_store.setdefault(event.scope.store, []).append(event)
        for event in _by_day([*stored, *(one for one in past if happened(one))]):
            alike.setdefault((event.scope, event.name.casefold()), []).append(event)
        occasions = {
            event.id: tuple(one for one in alike[event.scope, event.name.casefold()] if one.first < event.first)
            for event in events
            if event.factor is None
        }
        occasions = {event_id: earlier[-OCCASIONS:] for event_id, earlier in occasions.items() if earlier}
        names = sorted({one.id for some in (events, *occasions.values()) for one in some})
        version = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12] if events else ""
        return cls({store: tuple(some) for store, some in by_store.items()}, version, occasions)

    def are_at(self, keys: Iterable[Key]) -> bool:
        """Whether one is known of the stores of any of these items."""
        return bool(self.by_store) and any(key[0] in self.by_store for key in keys)

    def feed(self, keys: Sequence[Key], panel: Panel, *, as_of: date, horizon_days: int) -> Fed | None:
        """What the events make of these items' levels on the days after `as_of`; None where they touch none.

        It takes a look at each item and one at each event of their stores: for worker threads, not the event loop.
        """
        if not self.are_at(keys):
            return None
        today, earlier = as_of.toordinal(), Earlier(panel, as_of)
        factors, named = np.ones((len(keys), horizon_days)), dict[int, Named]()
        stores = dict[str, _AtStore]()
        for row, key in enumerate(keys):
            if key[0] not in self.by_store:
                continue
            if key[0] not in stores:
                near = [
                    event
                    for event in self.by_store[key[0]]
                    if event.first <= today + horizon_days and event.last > today - AFTER_DAYS
                ]
                effects = [self.effect(event, earlier) for event in near]
                stores[key[0]] = _AtStore(near, effects, today, horizon_days)
            made, some = stores[key[0]].of(key[1], category_of(panel, key))
            if some:
                factors[row], named[row] = made, some
        return Fed(factors, named) if named else None

    def effect(self, event: PlannedEvent, earlier: Earlier) -> float:
        """By how much an event is expected to multiply demand."""
        if event.factor is not None:
            return event.factor
        return earlier.effect(event.scope, [(one.first, one.last) for one in self.occasions.get(event.id, ())])


def happened(stored: Override) -> bool:
    """Whether its days were over before it ended: not of one that was called off, or told anew."""
    ended = (stored.withdrawn_at or stored.ends_at)[:10]
    return str(stored.value.get("last_day")) < ended and not stored.withdrawn_why.startswith(REPLACED)


def _by_day(stored: Iterable[Override]) -> list[PlannedEvent]:
    events = (event for one in stored if (event := PlannedEvent.of(one)) is not None)
    return sorted(events, key=lambda event: (event.first, event.id))


class _AtStore:
    """What events of one store make of its items; worked out once for all items that the same events are about."""

    def __init__(self, near: Sequence[PlannedEvent], effects: Sequence[float], today: int, horizon_days: int) -> None:
        self._near = near
        self._of: dict[tuple[str, str], list[int]] = {}  # by product and category: the places of events
        for place, event in enumerate(near):
            self._of.setdefault((event.scope.sku, event.scope.category), []).append(place)
        days = np.arange(today - AFTER_DAYS + 1, today + horizon_days + 1)
        first, last, effect = (
            np.array(values).reshape(-1, 1)
            for values in ([one.first for one in near], [one.last for one in near], effects)
        )
        self._effects = np.where((first <= days) & (days <= last), effect, 1.0)  # [events, days]
        self._alone = _levels(self._effects)
        self._made: dict[tuple[tuple[str, str], ...], tuple[Floats, Named]] = {}

    def of(self, sku: str, category: str) -> tuple[Floats, Named]:
        """By what the level is to be multiplied on each target day, and why; no events where nothing is."""
        scopes = tuple(sorted({(sku, category), (sku, ""), ("", category), ("", "")} & self._of.keys()))
        if scopes not in self._made:
            self._made[scopes] = self._together(sorted(place for scope in scopes for place in self._of[scope]))
        return self._made[scopes]

    def _together(self, places: list[int]) -> tuple[Floats, Named]:
        made = _levels(self._effects[places].prod(0))
        if np.abs(made - 1).max() <= SAME:
            return made, ()
        return made, tuple((self._near[place], self._alone[place]) for place in places)


def _levels(effects: Floats) -> Floats:
    """By what the level is to be multiplied on the target days [..., horizon], of effects [..., days]."""
    days = np.clip(effects, LEAST, MOST)
    past, ahead = days[..., :AFTER_DAYS], days[..., AFTER_DAYS:]
    known = np.mean([past[..., -some:].mean(-1, keepdims=True) for some in LEVEL_DAYS], axis=0)
    return np.asarray(ahead / known)
