"""However many events and items there are: how much work they make, and where it is done. It is counted, not timed."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from common.deadline import Deadline
from common.outcome import Outcome
from supermegaretail.asking import Heard, ModelProcess, Question
from supermegaretail.contract import Item
from supermegaretail.events.feeding import MORE_ROWS, Levels, ask
from supermegaretail.events.planned import Fed, PlannedEvents
from supermegaretail.features import STABLE
from supermegaretail.forecast import Forecaster, Run
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.model_contract import Prediction
from supermegaretail.overriding import Overrides
from supermegaretail.panel import Key
from supermegaretail.prepared import FEW_ITEMS
from tests.supermegaretail.conftest import LAST_DAY
from tests.supermegaretail.test_moving_average_tier import CountedPool
from tests.supermegaretail.test_planned_events import stored

HORIZON = 14
LEVEL = STABLE.index("level")


@pytest.fixture(scope="module")
def history() -> SalesHistory:
    rows = [("north", f"p{n}", LAST_DAY - timedelta(days=back), 10.0) for n in range(300) for back in range(40)]
    columns = ["store", "sku", "date", "sales"]
    types = {"sales": pl.Float32}
    return SalesHistory.build(pl.DataFrame(rows, schema=columns, orient="row", schema_overrides=types))


def keys(count: int) -> list[Key]:
    return [("north", f"p{n}") for n in range(count)]


def many(count: int, *, of_products: bool = False) -> PlannedEvents:
    """One-day events with an effect each; every second one may be of one product only."""
    return PlannedEvents.of(
        [
            stored(
                f"e{n}",
                n % HORIZON + 1,
                n % HORIZON + 1,
                1.05 + n / 1000,
                **{"sku": f"p{n}"} if of_products and n % 2 else {},
            )
            for n in range(count)
        ]
    )


def calls(events: PlannedEvents, items: Sequence[Key], history: SalesHistory) -> int:
    """How many calls feeding these makes, of Python and of C alike."""
    counted = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    former = sys.getprofile()
    sys.setprofile(count)
    try:
        fed = events.feed(items, history.panel, as_of=LAST_DAY, horizon_days=HORIZON)
    finally:
        sys.setprofile(former)
    assert fed is not None
    return counted


@pytest.mark.parametrize("of_products", [False, True])
def test_the_work_of_many_events_and_many_items_adds_up_and_does_not_multiply(
    history: SalesHistory, of_products: bool
) -> None:
    few, lots = many(2, of_products=of_products), many(200, of_products=of_products)
    both, items, events = (
        calls(lots, keys(300), history),
        calls(few, keys(300), history),
        calls(lots, keys(200), history),
    )
    assert both < items + events
    assert both < 60 * (300 + 200)


def test_items_that_the_same_events_are_about_share_what_is_worked_out(history: SalesHistory) -> None:
    fed = many(200).feed(keys(300), history.panel, as_of=LAST_DAY, horizon_days=HORIZON)
    assert fed is not None
    assert len({id(named) for named in fed.named.values()}) == 1
    assert (fed.factors == fed.factors[0]).all()


class Watched(PlannedEvents):
    """Keeps the threads in which items were fed."""

    def feed(self, keys: Sequence[Key], panel: Any, *, as_of: date, horizon_days: int) -> Fed | None:
        THREADS.append(threading.current_thread())
        return super().feed(keys, panel, as_of=as_of, horizon_days=horizon_days)


THREADS: list[threading.Thread] = []


@pytest.mark.parametrize("count", [1, 300])
async def test_without_a_model_events_are_worked_out_in_a_thread_though_the_average_is_a_lookup(
    history: SalesHistory, count: int
) -> None:
    made, pool = many(20), CountedPool()
    events = Watched(made.by_store, made.version, made.occasions)
    forecaster = Forecaster(
        model=cast(ModelProcess, None),
        events=lambda: events,
        pool=cast(Any, None),
        fallback_pool=cast(Any, pool),
        overrides=Overrides,
    )
    THREADS.clear()
    run = Run(forecaster, Question(as_of=LAST_DAY, horizon_days=HORIZON, version="champion"), history)
    items = [Item(store=store, sku=sku) for store, sku in keys(count)]
    assert len(await run.moving_average(items, Deadline.after_ms(60_000))) == count
    assert pool.runs == 1
    assert len(THREADS) == 1
    assert threading.main_thread() not in THREADS


class LevelModel:
    """Says the level on each day, and counts the rows that it is asked about."""

    def __init__(self) -> None:
        self.rows = 0

    async def predict(
        self, question: Question, inputs: ModelInputs, rows: Sequence[int], _deadline: Deadline
    ) -> list[Outcome[Heard]]:
        await asyncio.sleep(0)
        self.rows += len(rows)
        said = ([float(inputs.stable[row, LEVEL])] * question.horizon_days for row in rows)
        return [
            Outcome(value=Heard(Prediction(id="x", core=core, correction=None), "1", None, None), reason=None)
            for core in said
        ]


@pytest.mark.parametrize(("items", "most"), [(300, 600), (100, 200), (20, 20 + MORE_ROWS), (1, 1 + HORIZON)])
async def test_events_make_a_call_at_most_twice_as_long_and_each_day_has_its_level(
    history: SalesHistory, items: int, most: int
) -> None:
    asked, model, pool = keys(items), LevelModel(), CountedPool()
    fed = many(200).feed(asked, history.panel, as_of=LAST_DAY, horizon_days=HORIZON)
    assert fed is not None
    inputs = history.inputs(asked, as_of=LAST_DAY, horizon_days=HORIZON)
    question = Question(as_of=LAST_DAY, horizon_days=HORIZON, version="1")
    deadline = Deadline.after_ms(60_000)
    alone, planned = await ask(
        cast(ModelProcess, model), question, inputs, range(items), fed, deadline, cast(Any, pool)
    )
    assert model.rows <= most
    assert model.rows > items
    assert pool.runs == (2 if items > FEW_ITEMS else 0)  # before and after
    level = alone[-1].value.prediction.core
    made = planned[items - 1].value.prediction.core
    assert level is not None
    assert made is not None
    assert np.allclose(np.divide(made, level), fed.factors[items - 1])


def test_where_not_all_levels_can_be_asked_about_the_one_of_the_most_days_is(history: SalesHistory) -> None:
    asked = keys(100)
    events = PlannedEvents.of([stored("fair", 2, 6, 1.5), stored("rain", 8, 8, 0.9)])
    fed = events.feed(asked, history.panel, as_of=LAST_DAY, horizon_days=HORIZON)
    assert fed is not None
    inputs = history.inputs(asked, as_of=LAST_DAY, horizon_days=HORIZON)
    levels = Levels.of(replace(inputs), fed, range(100))
    assert len(levels.inputs.known) == 200
    assert levels.days_of[0][1] == (100, 1.0)
    assert levels.days_of[0][7] == (0, 0.9)
