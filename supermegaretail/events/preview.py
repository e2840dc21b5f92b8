"""What an event would make of some forecasts, before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, cast

from common.chain.fallback import Served
from common.errors import PoolFull
from common.overrides.desk import refusals
from common.service.gateway import Call
from common.service.problems import Problem
from common.state.overrides import not_in_force, stored_end
from supermegaretail.asking import Question
from supermegaretail.demand import Demand
from supermegaretail.engine import Engine
from supermegaretail.events.contract import EventPreview
from supermegaretail.events.desk import NEW, end_of, planned, scope_of, sentence, unsaved
from supermegaretail.events.earlier import Earlier
from supermegaretail.events.planned import PlannedEvents
from supermegaretail.override_preview import demand_told, tried


async def preview(engine: Engine, wish: EventPreview, call: Call) -> dict[str, Any]:
    """Forecasts of some items of its place now, and with the event; `Problem` 404, 422, 429 or 503 instead."""
    history, event = engine.book.history, unsaved(wish.event)
    now, found, replaces = datetime.now(UTC), engine.events.live.all, wish.event.replaces
    known = [one for one in found if one.id != replaces]
    with refusals():
        stored_end(end_of(wish.event, now), now)
        if replaces is not None and len(known) == len(found):
            raise not_in_force(replaces)
    pool = engine.forecaster.pool
    try:
        matched, items = await pool.run(tried, history.panel, wish.items, scope_of(wish.event), deadline=call.deadline)
    except (PoolFull, TimeoutError) as error:
        raise Problem(503, "there is no time for a preview", headers={"Retry-After": "1"}) from error
    then = await engine.overrides.ask(
        partial(planned, engine.events.live.store, [*known, event]), deadline=call.deadline
    )
    as_of = _as_of(wish, history.last_day or datetime.now(UTC).date())
    question = Question(as_of, wish.horizon_days, engine.versions.resolve("core", "champion"))

    async def made(events: PlannedEvents) -> Sequence[Served[Demand]]:
        if not items:
            return []
        forecaster = replace(engine.forecaster, events=partial(_same, events), metrics=None)
        return (await forecaster.forecast(items, question, history=history, deadline=call.deadline)).served

    before, after = await made(engine.events.live.value), await made(then)
    return {
        "sentence": sentence(event),
        "matched": matched,
        "expected_factor": await pool.run(_factor, then, event.target, history.panel, as_of, deadline=call.deadline),
        "dates": [(as_of + timedelta(days=ahead)).isoformat() for ahead in range(1, wish.horizon_days + 1)],
        "items": [
            {
                "store": item.store,
                "sku": item.sku,
                "before": demand_told(cast(Demand, now.value)),
                "after": demand_told(cast(Demand, later.value)),
                "served_by_before": now.served_by,
                "served_by_after": later.served_by,
            }
            for item, now, later in zip(items, before, after, strict=True)
        ],
    }


def _as_of(wish: EventPreview, last_day: date) -> date:
    """The day before its first day, where the forecast from the last day on would not reach that."""
    reached = last_day + timedelta(days=wish.horizon_days)
    return wish.event.first_day - timedelta(days=1) if wish.event.first_day > reached else last_day


def _factor(events: PlannedEvents, target: str, panel: Any, as_of: date) -> float:
    """What the new event is taken to multiply demand by."""
    store = target.split("\n")[0]
    new = next(event for event in events.by_store[store] if event.id == NEW)
    return round(events.effect(new, Earlier(panel, as_of)), 4)


def _same(events: PlannedEvents) -> PlannedEvents:
    return events
