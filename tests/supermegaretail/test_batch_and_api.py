"""A whole chain's batch and the API say the same about every item: demand, quantiles, who serves it, and why."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from common.state.database import open_state
from common.versions.registry import Registry
from supermegaretail.batch_file import batch_of
from supermegaretail.batch_story import column_of
from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.features import CORE_DESIGN, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.model_answers import predict
from supermegaretail.model_contract import PredictionRequest
from supermegaretail.models import Models
from supermegaretail.panel import Key
from supermegaretail.settings import RetailSettings
from supermegaretail.spread import Spread
from supermegaretail.states import Flags
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.json_server import json_server
from tests.supermegaretail.test_api import ADMIN, an_override, forecast, service
from tests.supermegaretail.test_drift import verdict_of
from tests.supermegaretail.trained import models_in
from tests.waiting import eventually

DAYS = 9
LEVELS = (0.95, 0.25, 0.5)
UNKNOWN = ("nowhere", "nothing")
DECIDED, COLD, UNPLANNED, LEAPT, ABSURDLY_PRICED, ENDED, GREEDY, NO_NUMBER, OVERCORRECTED, UNSURE, NEGATIVE = range(11)
WEIGHED = 11
# What becomes of each, where quantiles are asked for.
EXPECTED = {
    DECIDED: ("override", None),
    COLD: ("correction", None),
    UNPLANNED: ("core", "correction:inputs_missing"),
    LEAPT: ("moving_average", "core:drift"),
    ABSURDLY_PRICED: ("core", "correction:drift"),
    ENDED: ("correction", None),
    GREEDY: ("moving_average", "core:out_of_range"),
    NO_NUMBER: ("moving_average", "core:meaning"),
    OVERCORRECTED: ("core", "correction:out_of_range"),
    UNSURE: ("moving_average", "core:uncertain"),
    NEGATIVE: ("moving_average", "core:meaning"),
    WEIGHED: ("correction", None),
}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return demo_table(stores=3, products=14, days=260)


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory, table: pl.DataFrame) -> Path:
    """Trained on sales that are as usual."""
    folder = tmp_path_factory.mktemp("both ways")
    train(table, Registry(folder / "registry"), rows=6_000, threads=1)
    return folder


@pytest.fixture(scope="module")
def keys(table: pl.DataFrame) -> list[Key]:
    """Those that sold on each of the last days, the best sellers first."""
    recent = table.filter(pl.col("sales").is_not_null() & (pl.col("date") > LAST_SALES_DAY - timedelta(days=7)))
    totals = recent.group_by("store", "sku").agg(pl.len(), pl.sum("sales")).filter(pl.col("len") == 7)
    return list(totals.sort("sales", "store", "sku", descending=True).select("store", "sku").iter_rows())


def spoilt(table: pl.DataFrame, keys: list[Key]) -> pl.DataFrame:
    """The table with all that can go wrong with sales and plans, each about one item."""

    def of(which: int) -> pl.Expr:
        store, sku = keys[which]
        return (pl.col("store") == store) & (pl.col("sku") == sku)

    sold = pl.col("date") <= LAST_SALES_DAY
    last_week, last_weeks = (sold & (pl.col("date") > LAST_SALES_DAY - timedelta(days=days)) for days in (7, 40))
    sales = pl.when(of(LEAPT) & last_week).then(pl.col("sales") * 20).otherwise(pl.col("sales"))
    sales = pl.when(of(WEIGHED)).then(sales * 0.137).otherwise(sales)
    price = pl.when(of(ABSURDLY_PRICED) & ~sold).then(900.0).otherwise(pl.col("price")).cast(pl.Float32)
    gone = (of(COLD) & sold) | (of(UNPLANNED) & ~sold) | (of(ENDED) & last_weeks)
    return table.with_columns(sales=sales, price=price).filter(~gone)


def spoilt_models(models: Models, history: SalesHistory, keys: list[Key]) -> Models:
    """Models that say nonsense about some items, whom they know by their level."""
    levels = {which: float(history.stable([keys[which]], as_of=LAST_SALES_DAY)[1][0, 0]) for which in EXPECTED}

    def about(which: int, design: Floats) -> Flags:
        return np.asarray(design[:, CORE_DESIGN.index("level")] == levels[which])

    class Core(CoreModel):
        def demand(self, design: Floats) -> Floats:
            told = super().demand(design)
            told[about(GREEDY, design)] = 1e6
            told[about(NO_NUMBER, design)] = np.nan
            return told

    class Correction(CorrectionModel):
        def demand(self, core: Floats, extended: Floats, core_demand: Floats) -> Floats:
            told = super().demand(core, extended, core_demand)
            told[about(OVERCORRECTED, core)] = -1
            return told

    class Unsure(Spread):
        def quantiles(self, demand: Floats, design: Floats, levels: Any) -> Floats:
            told = super().quantiles(demand, design, levels)
            told[about(UNSURE, design)] *= 100
            told[about(NEGATIVE, design)] -= 1e3
            return told

    assert models.correction is not None
    assert models.core.spread is not None
    core = Core(models.core.trees, start=models.core.start, spread=Unsure(**dict(models.core.spread)))
    return replace(models, core=core, correction=Correction(models.correction.trees, spread=models.correction.spread))


@asynccontextmanager
async def chain_of(
    var_dir: Path, folder: Path, table: pl.DataFrame, keys: list[Key]
) -> AsyncIterator[tuple[httpx.AsyncClient, Models]]:
    """The API over a spoilt table, with the spoilt models behind a real socket, one item overridden."""
    (folder / "registry").symlink_to(var_dir / "registry")
    damaged = spoilt(table, keys)
    save_table(damaged, folder / "supermegaretail" / "sales.parquet")
    models = spoilt_models(models_in(var_dir), SalesHistory.build(damaged), keys)

    def answer(asked: dict[str, Any]) -> Any:
        return predict(models, PredictionRequest.model_validate_json(json.dumps(asked))).model_dump(mode="json")

    with json_server(answer) as url:
        async with service(folder, url) as client:
            store, sku = keys[DECIDED]
            made = await client.post("/v1/admin/overrides", json=an_override(store=store, sku=sku), headers=ADMIN)
            assert made.status_code == 201
            for group in ("core", "correction"):
                await eventually(verdict_of(client, group, "as usual"))
            yield client, models


def in_batch(folder: Path, models: Models, items: list[Key], levels: tuple[float, ...]) -> list[dict[str, Any]]:
    """Each item as the API would tell it."""
    table = pl.read_parquet(folder / "supermegaretail" / "sales.parquet")
    state = open_state(RetailSettings(var_dir=folder))
    batch = batch_of(
        SalesHistory.build(table),
        models,
        Registry(folder / "registry"),
        state,
        as_of=LAST_SALES_DAY,
        horizon_days=DAYS,
        levels=levels,
    )
    parts = batch.table(items).partition_by("store", "sku", maintain_order=True)
    state.dispose()
    told = [part.to_dict(as_series=False) for part in parts]
    return [
        {
            "demand": one["demand"],
            "quantiles": {str(level): one[column_of(level)] for level in levels},
            "served_by": one["served_by"][0],
            "reason": one["reason"][0],
        }
        for one in told
    ]


@pytest.mark.parametrize("levels", [LEVELS, ()])
async def test_the_batch_and_the_api_say_the_same_about_every_item(
    var_dir: Path, tmp_path: Path, table: pl.DataFrame, keys: list[Key], levels: tuple[float, ...]
) -> None:
    items = [*keys, UNKNOWN]
    async with chain_of(var_dir, tmp_path, table, keys) as (client, models):
        asked = [{"store": store, "sku": sku} for store, sku in items]
        answer = await forecast(client, asked, horizon_days=DAYS, quantiles=levels)
        batch = in_batch(tmp_path, models, items, levels)
    for item, mine, one in zip(items, batch, answer["forecasts"], strict=True):
        assert (mine["served_by"], mine["reason"]) == (one["served_by"], one["reason"]), item
        assert mine["demand"] == pytest.approx(one["demand"], abs=1e-3), item
        if one["quantiles"] is None:
            assert all(set(days) == {None} for days in mine["quantiles"].values()), item
        else:
            assert mine["quantiles"] == {
                level: pytest.approx(days, abs=1e-3) for level, days in one["quantiles"].items()
            }
    served = [(one["served_by"], one["reason"]) for one in answer["forecasts"]]
    whole = [
        all(units == round(units) for days in one["quantiles"].values() for units in days)
        for one in answer["forecasts"][WEIGHED : len(keys)]
        if one["quantiles"]
    ]
    assert whole[:1] == [False][: len(levels)]
    assert all(whole[1:])
    not_asked = {} if levels else {NEGATIVE: ("correction", None)}
    assert dict(enumerate(served[: len(EXPECTED)])) == EXPECTED | not_asked
    assert served[-1] == ("constant", "core:unknown_item, moving_average:unknown_item")
    assert served.count(("correction", None)) > len(keys) / 2


async def test_the_batch_and_the_api_say_the_same_about_items_that_events_touch(
    var_dir: Path, tmp_path: Path, table: pl.DataFrame, keys: list[Key]
) -> None:
    store, begins, ends = keys[-1][0], LAST_SALES_DAY + timedelta(days=2), LAST_SALES_DAY + timedelta(days=5)
    days = {"first_day": begins.isoformat(), "last_day": ends.isoformat()}
    event = {"store": store, "name": "Fair", **days, "factor": 1.4, "owner": "Ann", "reason": "told"}
    async with chain_of(var_dir, tmp_path, table, keys) as (client, models):
        asked = [{"store": store, "sku": sku} for store, sku in keys]
        before = await forecast(client, asked, horizon_days=DAYS, quantiles=LEVELS)
        assert (await client.post("/v1/admin/events", json=event, headers=ADMIN)).status_code == 201
        answer = await forecast(client, asked, horizon_days=DAYS, quantiles=LEVELS)
        batch = in_batch(tmp_path, models, keys, LEVELS)
    for item, mine, one in zip(keys, batch, answer["forecasts"], strict=True):
        assert (mine["served_by"], mine["reason"]) == (one["served_by"], one["reason"]), item
        assert mine["demand"] == pytest.approx(one["demand"], abs=1e-3), item
        if one["quantiles"] is not None:
            assert mine["quantiles"] == {
                level: pytest.approx(told, abs=1e-3) for level, told in one["quantiles"].items()
            }
    changed = {
        item[0]
        for item, one, old in zip(keys, answer["forecasts"], before["forecasts"], strict=True)
        if one["demand"] != old["demand"]
    }
    assert changed == {store}
