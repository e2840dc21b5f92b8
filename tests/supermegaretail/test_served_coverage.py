"""Quantiles as they arrive over HTTP hold as often as they say, on weeks that no model has seen."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from common.versions.registry import Registry
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.model_answers import predict
from supermegaretail.model_contract import PredictionRequest
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.json_server import json_server
from tests.supermegaretail.test_api import NOBODY, forecast, service
from tests.supermegaretail.trained import models_in

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
WEEKS = 8
TRAINED_UNTIL = LAST_SALES_DAY - timedelta(days=7 * WEEKS)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return demo_table(stores=4, products=20, days=600)


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory, table: pl.DataFrame) -> Path:
    """Models that know the sales up to TRAINED_UNTIL, beside all sales."""
    folder = tmp_path_factory.mktemp("coverage")
    known = table.filter(pl.col("date") <= TRAINED_UNTIL)
    train(known, Registry(folder / "registry"), rows=20_000, threads=1)
    save_table(table, folder / "supermegaretail" / "sales.parquet")
    return folder


async def points_off(
    client: httpx.AsyncClient, table: pl.DataFrame, served_by: set[str]
) -> tuple[dict[float, float], int]:
    """How far the share of days at or below each quantile is from its level, in percentage points; of how many days.

    A quantile that is a whole number holds where the level lies between the shares below it, and at or below it.
    """
    rows = table.filter(pl.col("sales").is_not_null()).select("store", "sku", "date", "sales").iter_rows()
    sold = {(store, sku, day.isoformat()): units for store, sku, day, units in rows}
    items = table.select("store", "sku").unique().sort("store", "sku").to_dicts()
    pairs: list[tuple[float, list[float]]] = []
    for week in range(WEEKS):
        as_of: date = TRAINED_UNTIL + timedelta(days=7 * week)
        answer = await forecast(client, items, as_of=as_of.isoformat(), quantiles=LEVELS)
        pairs += [pair for one in answer["forecasts"] if one["served_by"] in served_by for pair in outcomes(one, sold)]
    units = np.array([pair[0] for pair in pairs])[:, None]
    quantiles = np.array([pair[1] for pair in pairs])
    below, at_or_below = (units < quantiles).mean(0), (units <= quantiles).mean(0)
    off = [max(low - level, level - high, 0) for low, high, level in zip(below, at_or_below, LEVELS, strict=True)]
    return {level: round(100 * float(one), 1) for level, one in zip(LEVELS, off, strict=True)}, len(pairs)


def outcomes(one: dict[str, Any], sold: dict[tuple[str, str, str], float]) -> list[tuple[float, list[float]]]:
    """Units sold, and the quantiles by level, of the days of one forecast whose sales are known."""
    keys = [(one["store"], one["sku"], day) for day in one["dates"]]
    by_day = zip(*(one["quantiles"][str(level)] for level in LEVELS), strict=True)
    return [(sold[key], list(day)) for key, day in zip(keys, by_day, strict=True) if key in sold]


async def test_the_models_quantiles_hold_within_four_points(var_dir: Path, table: pl.DataFrame) -> None:
    models = models_in(var_dir)

    def answer(asked: dict[str, Any]) -> Any:
        return predict(models, PredictionRequest.model_validate_json(json.dumps(asked))).model_dump(mode="json")

    with json_server(answer) as url:
        async with service(var_dir, url) as client:
            off, days = await points_off(client, table, {"correction", "core"})
    assert days > 3_000
    assert max(off.values()) <= 4, off


async def test_the_moving_averages_quantiles_hold_within_six_points(var_dir: Path, table: pl.DataFrame) -> None:
    async with service(var_dir, NOBODY) as client:
        off, days = await points_off(client, table, {"moving_average"})
    assert days > 3_000
    assert max(off.values()) <= 6, off
