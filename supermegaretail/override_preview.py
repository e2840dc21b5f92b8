"""What an override would change, before it is saved: some forecasts with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import numpy as np

from common.errors import PoolFull
from common.service.gateway import Call
from common.service.problems import not_now
from supermegaretail.asking import Question
from supermegaretail.contract import Item, OverridePreview
from supermegaretail.demand import Demand
from supermegaretail.engine import Engine
from supermegaretail.override_rules import scope_of
from supermegaretail.overriding import Overrides, Scope, category_of
from supermegaretail.panel import Panel

TRIED = 5  # items, where none were given


async def preview(engine: Engine, wish: OverridePreview, call: Call) -> dict[str, Any]:
    """Forecasts of some items of its scope now, and with the override; `Problem`s of `unsaved`, 429 or 503: no time."""
    history, desk = engine.book.history, engine.overrides
    trial = await desk.ask(partial(desk.tried, wish.override), deadline=call.deadline)
    try:
        matched, items = await engine.forecaster.pool.run(
            tried, history.panel, wish.items, scope_of(wish.override), deadline=call.deadline
        )
    except (PoolFull, TimeoutError) as error:
        raise not_now(error, "there is no time for a preview") from error
    as_of = _as_of(wish, history.last_day or datetime.now(UTC).date())
    question = Question(as_of, wish.horizon_days, engine.versions.resolve("core", "champion"))
    made = []
    for overrides in (desk.live.value, trial.made):
        forecaster = replace(engine.forecaster, overrides=partial(_same, overrides), metrics=None)
        made.append(
            await forecaster.forecast(items, question, history=history, deadline=call.deadline) if items else None
        )
    before, after = made
    days = [(as_of + timedelta(days=ahead)).isoformat() for ahead in range(1, wish.horizon_days + 1)]
    return {
        "sentence": desk.rules.sentence(trial.new),
        "matched": matched,
        "conflicts": trial.conflicts,
        "shadowed_by": trial.shadowed_by,
        "dates": days,
        "items": []
        if before is None or after is None
        else [
            {
                "store": item.store,
                "sku": item.sku,
                "before": demand_told(cast(Demand, now.value)),
                "after": demand_told(cast(Demand, later.value)),
                "served_by_before": now.served_by,
                "served_by_after": later.served_by,
            }
            for item, now, later in zip(items, before.served, after.served, strict=True)
        ],
    }


def _as_of(wish: OverridePreview, last_day: Any) -> Any:
    """The day before its first day, where the forecast from the last day on would not reach that."""
    first = wish.override.first_day
    reached = last_day + timedelta(days=wish.horizon_days)
    return first - timedelta(days=1) if first is not None and first > reached else last_day


def tried(panel: Panel, given: Sequence[Item], scope: Scope) -> tuple[int, list[Item]]:
    """How many known items it is about, and those that are tried."""
    about = [
        key
        for key in panel.places
        if scope.store in ("", key[0])
        and scope.sku in ("", key[1])
        and (not scope.category or category_of(panel, key) == scope.category)
    ]
    items = list(given) or [Item(store=store, sku=sku) for store, sku in about[:TRIED]]
    if not items and scope.store and scope.sku:
        items = [Item(store=scope.store, sku=scope.sku)]
    return len(about), items


def demand_told(demand: Demand) -> list[float]:
    rounded: list[float] = np.round(demand.per_day, 4).tolist()
    return rounded


def _same(overrides: Overrides) -> Overrides:
    return overrides
