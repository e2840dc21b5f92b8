"""The moving average as a tier: what has to be computed is computed in its own pool, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, cast

import polars as pl
import pytest

from common.deadline import Deadline
from common.errors import PoolFull
from supermegaretail.asking import ModelProcess, Question
from supermegaretail.contract import Item
from supermegaretail.forecast import Forecaster, Run
from supermegaretail.history import SalesHistory
from supermegaretail.overriding import Overrides
from tests.supermegaretail.conftest import ITEMS, LAST_DAY

TOMORROW = LAST_DAY + timedelta(days=1)


class FullPool:
    """Takes nothing."""

    async def run(self, *_arguments: Any, deadline: Deadline) -> Any:
        raise PoolFull


class NobodyAsked:
    """A model process that is well, where no item is known."""

    def refusal(self, _rows: int, _deadline: Deadline) -> None:
        return None

    async def predict(self, _question: Any, _inputs: Any, rows: Sequence[int], _deadline: Deadline) -> list[Any]:
        assert not rows
        return []


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


@pytest.mark.parametrize(
    ("full", "told"),
    [
        ("pool", ("moving_average", "core:overloaded")),
        ("fallback_pool", ("constant", "core:overloaded, moving_average:overloaded")),
    ],
)
async def test_an_unannounced_item_waits_for_no_features_and_is_told_to_be_unknown_only_if_it_is(
    table: pl.DataFrame, full: str, told: tuple[str, str]
) -> None:
    history = SalesHistory.build(table)
    pools = {"pool": CountedPool(), "fallback_pool": CountedPool(), full: FullPool()}
    forecaster = Forecaster(model=cast(ModelProcess, NobodyAsked()), overrides=Overrides, **cast(Any, pools))
    items = [Item(store="south", sku="bread"), Item(store="moon", sku="bread")]
    question = Question(as_of=LAST_DAY, horizon_days=7, version="champion")
    made = await forecaster.forecast(items, question, history=history, deadline=Deadline.after_ms(5_000))
    assert (made.served[0].served_by, made.served[0].reason) == told
    assert str(made.served[1].reason).endswith("moving_average:unknown_item")


async def test_known_items_beside_an_unannounced_one_are_worked_out_once(table: pl.DataFrame) -> None:
    store, sku = ITEMS[0]
    sold = pl.DataFrame({"store": [store], "sku": [sku], "date": [TOMORROW], "sales": [7.0]})
    history = SalesHistory.build(table).updated(sold.cast({"sales": pl.Float32}))
    assert ("south", "bread") not in history.panel.places
    history.announcing([*ITEMS, ("south", "bread")])
    assert not len(history._latest.lacking(history._places(ITEMS), TOMORROW.toordinal()))


async def test_after_new_sales_the_first_request_is_left_to_the_pool_and_the_next_looked_up(
    table: pl.DataFrame,
) -> None:
    store, sku = ITEMS[0]
    sold = pl.DataFrame({"store": [store], "sku": [sku], "date": [TOMORROW], "sales": [7.0]})
    history = SalesHistory.build(table).updated(sold.cast({"sales": pl.Float32}))
    assert [await pool_runs(history, as_of=TOMORROW) for _ in range(2)] == [1, 0]
