"""What operators may decide about demand, how it is stored, when two decisions are at odds, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from common.state.overrides import Override
from supermegaretail.contract import NewOverride
from supermegaretail.overriding import Decision, Scope, category_of
from supermegaretail.panel import Key, Panel

MOST_TOLD = 20  # of those that win over one
EACH_STORE = Scope()  # what wins over overrides of whichever store
Winners: TypeAlias = dict[tuple[int, int], list[str]]  # ids by first and last day: many have the same days

WORDS = {
    "constant": "{value:g} units a day",
    "factor": "{value:g} times the forecast",
    "floor": "at least {value:g} units a day",
    "ceiling": "at most {value:g} units a day",
}


class RetailRules:
    """See `common.overrides.desk.Rules`. `panel` gives the newest one: it knows which product is of which category."""

    def __init__(self, panel: Callable[[], Panel]) -> None:
        self._panel = panel

    def target(self, wish: NewOverride) -> str:
        return scope_of(wish).target

    def value(self, wish: NewOverride) -> dict[str, Any]:
        days = {name: day.isoformat() for name in ("first_day", "last_day") if (day := getattr(wish, name)) is not None}
        return {"effect": wish.effect, "value": wish.amount, **days}

    def clash(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
        """On common days there is one of each effect, nothing beside a constant, and no floor above a ceiling."""
        if _first(one) > _last(other) or _first(other) > _last(one):
            return None
        effects = {one.get("effect", "constant"): _amount(one), other.get("effect", "constant"): _amount(other)}
        if len(effects) == 1:
            return f"another {next(iter(effects))} for the same on common days"
        if "constant" in effects:
            return "a constant for the same on common days leaves nothing to other effects"
        if effects.get("floor", 0) > effects.get("ceiling", float("inf")):
            return "the floor would be above the ceiling"
        return None

    def shown(self, override: Override) -> dict[str, Any]:
        scope, told = Scope.of(override.target), override.value
        effect = told.get("effect", "constant")
        return {
            "store": scope.store or None,
            "sku": scope.sku or None,
            "category": scope.category or None,
            "effect": effect,
            "value": _amount(told),
            "demand_per_day": _amount(told) if effect == "constant" else None,
            "first_day": told.get("first_day"),
            "last_day": told.get("last_day"),
        }

    def sentence(self, override: Override) -> str:
        told = override.value
        what = WORDS[told.get("effect", "constant")].format(value=_amount(told))
        days = [f"{word} {told[name]}" for name, word in (("first_day", "from"), ("last_day", "to")) if name in told]
        return f"{Scope.of(override.target)}: {' '.join([what, *days])}"

    def counts_uses(self, override: Override) -> bool:
        """Always."""
        return True

    def shadows(self, overrides: Sequence[Override]) -> dict[str, list[str]]:
        """Those that are more specific decide alone about the items and days that both are about."""
        by_scope: dict[Scope, list[Decision]] = {}
        for override in overrides:
            if (decision := Decision.of(override)) is not None:
                by_scope.setdefault(Scope.of(override.target), []).append(decision)
        pairs = [(scope.store, scope.sku) for scope in by_scope if scope.store and scope.sku]
        panel = self._panel().announcing(pairs)  # as they are served
        sold_in = _sold_in(panel, by_scope)
        winners: dict[Scope, Winners] = {}  # by the scope that they win over
        for scope, decisions in by_scope.items():
            for wider in _wider(scope, panel, sold_in.get(scope.sku, ())):
                if wider in by_scope or wider == EACH_STORE:
                    of_days = winners.setdefault(wider, {})
                    for one in decisions:
                        of_days.setdefault((one.first, one.last), []).append(one.id)
        found = {}
        for scope, decisions in by_scope.items():
            groups = [winners.get(scope, {}), winners.get(EACH_STORE, {}) if _is_store(scope) else {}]
            for hidden in decisions:
                if some := list(islice(_on_days_of(hidden, groups), MOST_TOLD)):
                    found[hidden.id] = some
        return found


def _wider(scope: Scope, panel: Panel, sold_in: Iterable[Key]) -> list[Scope]:
    """The scopes that this one wins over; `sold_in`: of a product, the stores and categories in which it is."""
    if scope.store and scope.sku:
        return scope.wider(category=category_of(panel, (scope.store, scope.sku)))[1:]
    if scope.sku:
        pairs = {Scope(store, "", category) for store, category in sold_in}
        return [EACH_STORE, *pairs, *{Scope("", "", pair.category) for pair in pairs}]
    if not scope.category:
        return []
    return [Scope("", "", scope.category), Scope(scope.store)] if scope.store else [EACH_STORE]


def _sold_in(panel: Panel, scopes: Iterable[Scope]) -> Mapping[str, set[Key]]:
    """By product: its stores and its category there; of those that are overridden without a store."""
    found: dict[str, set[Key]] = {scope.sku: set() for scope in scopes if scope.sku and not scope.store}
    if found:
        for store, sku in panel.places:
            if sku in found and (category := category_of(panel, (store, sku))):
                found[sku].add((store, category))
    return found


def _is_store(scope: Scope) -> bool:
    return bool(scope.store) and not scope.sku and not scope.category


def _on_days_of(hidden: Decision, groups: Iterable[Winners]) -> Iterator[str]:
    for of_days in groups:
        for (first, last), ids in of_days.items():
            if first <= hidden.last and hidden.first <= last:
                yield from ids


def scope_of(wish: NewOverride) -> Scope:
    return Scope(wish.store or "", wish.sku or "", wish.category or "")


def _amount(value: Mapping[str, Any]) -> float:
    return float(value.get("value", value.get("demand_per_day", 0.0)))


def _first(value: Mapping[str, Any]) -> str:
    return str(value.get("first_day", ""))


def _last(value: Mapping[str, Any]) -> str:
    return str(value.get("last_day", "9999-12-31"))


def for_commands() -> tuple[type[NewOverride], RetailRules]:
    """What the command line reads and shows, without a sales table."""
    return NewOverride, RetailRules(Panel)
