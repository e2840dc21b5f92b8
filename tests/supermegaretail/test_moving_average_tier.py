"""The moving average as a tier: what has to be computed is computed in its own pool, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, cast

import polars as pl

from common.deadline import Deadline
from supermegaretail.asking import ModelProcess, Question
from supermegaretail.contract import Item
from supermegaretail.forecast import Forecaster, Run
from supermegaretail.history import SalesHistory
from supermegaretail.overriding import Overrides
from tests.supermegaretail.conftest import ITEMS, LAST_DAY

TOMORROW = LAST_DAY + timedelta(days=1)


class CountedPool:
    """Counts what it is given to do."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, work: Callable[..., Any], *arguments: Any, deadline: Deadline) -> Any:
        self.runs += 1
        async with asyncio.timeout(deadline.remaining_ms / 1000):
            return await asyncio.to_thread(work, *arguments)


async def pool_runs(history: SalesHistory, *, as_of: date) -> int:
    """How much one request that went past the model gave the pool to do."""
    pool = CountedPool()
    forecaster = Forecaster(
        model=cast(ModelProcess, None), overrides=Overrides, pool=cast(Any, None), fallback_pool=cast(Any, pool)
    )
    items = [Item(store=store, sku=sku) for store, sku in ITEMS]
    run = Run(forecaster, Question(as_of=as_of, horizon_days=7, version="champion"), history)
    answers = await run.moving_average(items, Deadline.after_ms(5_000))
    assert len(answers) == len(items)
    return pool.runs


async def test_what_is_prepared_is_looked_up_and_what_is_not_is_left_to_the_pool(table: pl.DataFrame) -> None:
    history = SalesHistory.build(table)
    assert await pool_runs(history, as_of=LAST_DAY) == 0
    assert await pool_runs(history, as_of=LAST_DAY - timedelta(days=1)) == 1


async def test_after_new_sales_the_first_request_is_left_to_the_pool_and_the_next_looked_up(
    table: pl.DataFrame,
) -> None:
    store, sku = ITEMS[0]
    sold = pl.DataFrame({"store": [store], "sku": [sku], "date": [TOMORROW], "sales": [7.0]})
    history = SalesHistory.build(table).updated(sold.cast({"sales": pl.Float32}))
    assert [await pool_runs(history, as_of=TOMORROW) for _ in range(2)] == [1, 0]
