"""What planners decide over the models' heads: a constant, a factor, a floor or a ceiling, for which items and days.

The most specific scope decides a day alone: store and product, product, store and category, category, store. Within
a scope a factor comes first, then floor and ceiling; a constant leaves nothing to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

import numpy as np

from common.state.overrides import Override
from supermegaretail.features import Floats
from supermegaretail.panel import Key, Panel

Effect: TypeAlias = Literal["constant", "factor", "floor", "ceiling"]
EFFECTS: tuple[Effect, ...] = ("constant", "factor", "floor", "ceiling")
Number: TypeAlias = float | Floats  # one for all days, or one for each [horizon]
EVER = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Scope:
    """What an override is about; what is empty does not matter."""

    store: str = ""
    sku: str = ""
    category: str = ""

    @property
    def target(self) -> str:
        """The name under which it is stored; no part can hold a control character."""
        return f"{self.store}\n{self.sku}" + (f"\n{self.category}" if self.category else "")

    @classmethod
    def of(cls, target: str) -> Scope:
        return cls(*target.split("\n")[:3])

    def wider(self, *, category: str) -> list[Scope]:
        """Of an item: itself and what it belongs to, the most specific first."""
        of_category = [Scope(self.store, "", category), Scope("", "", category)] if category else []
        return [self, Scope("", self.sku), *of_category, Scope(self.store)]

    def __str__(self) -> str:
        parts = (("store", self.store), ("product", self.sku), ("category", self.category))
        return ", ".join(f"{name} {value}" for name, value in parts if value)


@dataclass(frozen=True, slots=True)
class Decision:
    """One override as it is looked up: its days are ordinals, its end is Unix time."""

    id: str
    effect: Effect
    value: float
    first: int
    last: int
    ends_s: float
    source: Override

    @classmethod
    def of(cls, override: Override) -> Decision | None:
        """None for one that this version does not understand."""
        told = override.value
        effect, value = told.get("effect", "constant"), told.get("value", told.get("demand_per_day"))
        if effect not in EFFECTS or not isinstance(value, int | float):
            return None
        first, last = (_ordinal(told.get(name), other) for name, other in (("first_day", 0), ("last_day", EVER)))
        ends_s = datetime.fromisoformat(override.ends_at).timestamp()
        return cls(override.id, effect, float(value), first, last, ends_s, override)

    @property
    def on_all_days(self) -> bool:
        return self.first == 0 and self.last == EVER


@dataclass(frozen=True, slots=True)
class Shape:
    """What is made of the demand of an item [horizon]; a constant is NaN where nobody decided one."""

    decisions: tuple[Decision, ...]
    constant: Number = math.nan
    factor: Number = 1.0
    floor: Number = 0.0
    ceiling: Number = math.inf

    @property
    def id(self) -> str:
        """Of the first one that decides something."""
        return self.decisions[0].id

    @property
    def leaves_nothing(self) -> bool:
        """Whether a person decided each day's number."""
        return not np.isnan(self.constant).any()

    def of(self, values: Floats) -> Floats:
        """Demand or quantiles [..., horizon], shaped."""
        if isinstance(self.constant, float):  # the same on all days: mostly one of these
            if not math.isnan(self.constant):
                return np.full_like(values, self.constant)
            made = values * self.factor if self.factor != 1 else values
            made = np.maximum(made, self.floor) if self.floor else made
            return np.asarray(np.minimum(made, self.ceiling) if self.ceiling != math.inf else made)
        made = np.clip(values * self.factor, self.floor, self.ceiling)
        return np.where(np.isnan(self.constant), made, self.constant)


@dataclass(frozen=True, slots=True)
class Level:
    """The decisions about one scope, the oldest first, and what they make together if they hold on all days."""

    decisions: tuple[Decision, ...]
    always: Shape | None
    ends_s: float  # of the first that ends

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> Level:
        always = all(one.on_all_days for one in decisions)
        ends_s = min(one.ends_s for one in decisions)
        return cls(tuple(decisions), _always(decisions) if always else None, ends_s)


@dataclass(frozen=True, slots=True)
class Overrides:
    """All in force, by scope; made when they change and never changed."""

    levels: Mapping[Scope, Level] = field(default_factory=dict)
    by_item: Mapping[Key, Level] = field(default_factory=dict)
    by_sku: Mapping[str, Level] = field(default_factory=dict)
    by_category: Mapping[Key, Level] = field(default_factory=dict)  # store, or "" for all, and category
    by_store: Mapping[str, Level] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[Override], *, for_ever: bool = False) -> Overrides:
        """`for_ever`: whatever end they have."""
        by_scope: dict[Scope, list[Decision]] = {}
        for override in found:
            if (decision := Decision.of(override)) is not None:
                decision = replace(decision, ends_s=math.inf) if for_ever else decision
                by_scope.setdefault(Scope.of(override.target), []).append(decision)
        levels = {scope: Level.of(decisions) for scope, decisions in by_scope.items()}
        return cls(
            levels,
            {(it.store, it.sku): level for it, level in levels.items() if it.store and it.sku},
            {it.sku: level for it, level in levels.items() if it.sku and not it.store},
            {(it.store, it.category): level for it, level in levels.items() if it.category},
            {it.store: level for it, level in levels.items() if it.store and not it.sku and not it.category},
        )

    def shapes(
        self, keys: Sequence[Key], panel: Panel, *, as_of: date, horizon_days: int, now_s: float
    ) -> dict[int, Shape]:
        """By the place of an item: what is to be made of its demand on the days after `as_of`."""
        if not self.levels:
            return {}
        found: dict[int, Shape] = {}
        for place, key in enumerate(keys):
            levels = self._about(key, panel)
            if levels and (shape := _shape(levels, as_of.toordinal() + 1, horizon_days, now_s)) is not None:
                found[place] = shape
        return found

    def concerning(self, keys: Iterable[Key], panel: Panel, *, now_s: float) -> list[Decision]:
        """Each one in force for one of these items, also where a more specific one leaves it nothing to decide."""
        if not self.levels:
            return []
        levels = (level for key in keys for level in self._about(key, panel))
        return list({one.id: one for level in levels for one in level.decisions if now_s < one.ends_s}.values())

    def _about(self, key: Key, panel: Panel) -> list[Level]:
        """The levels that an item belongs to, the most specific first."""
        store, sku = key
        found = [self.by_item.get(key), self.by_sku.get(sku)]
        if self.by_category and (category := category_of(panel, key)):
            found += [self.by_category.get((store, category)), self.by_category.get(("", category))]
        found.append(self.by_store.get(store))
        return [level for level in found if level is not None]


def category_of(panel: Panel, key: Key) -> str:
    """The finest category that was ever told of an item; "" where none was."""
    place = panel.places.get(key)
    return "" if place is None else panel.categories[place][1]


def _always(decisions: Sequence[Decision]) -> Shape:
    if constants := [one for one in decisions if one.effect == "constant"]:
        return Shape((constants[-1],), constant=constants[-1].value)  # of two of a kind the later one counts
    values: dict[str, Any] = {one.effect: one.value for one in decisions}
    return Shape(tuple(decisions), **values)


def _shape(levels: Sequence[Level], first_day: int, horizon_days: int, now_s: float) -> Shape | None:
    first = levels[0]
    if first.always is not None and now_s < first.ends_s:
        return first.always
    numbers = {
        effect: np.full(horizon_days, nothing)
        for effect, nothing in zip(EFFECTS, (math.nan, 1.0, 0.0, math.inf), strict=True)
    }
    free, used = np.ones(horizon_days, bool), dict[str, Decision]()
    for level in levels:
        taken = np.zeros(horizon_days, bool)
        for one in level.decisions:
            days = slice(max(one.first - first_day, 0), max(one.last - first_day + 1, 0))
            if now_s >= one.ends_s or not free[days].any():
                continue
            numbers[one.effect][days][free[days]] = one.value
            taken[days] = True
            used[one.id] = one
        free &= ~taken
    return Shape(tuple(used.values()), **numbers) if used else None


def _ordinal(day: str | None, otherwise: int) -> int:
    return otherwise if day is None else date.fromisoformat(day).toordinal()
