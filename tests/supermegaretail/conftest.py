"""A small chain of shops, and a model that does what a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.postgres_server import postgres_server

LAST_DAY = date(2026, 6, 28)
ITEMS = [("north", "milk"), ("north", "bread"), ("south", "milk")]
NEVER_SOLD = ("south", "caviar")  # planned, but not one day of sales, and alone in its category


def small_table(*, days: int = 120, planned_days: int = 28) -> pl.DataFrame:
    """Canonical rows: weekly seasons, some promotions, plans for the days to come."""
    dice = np.random.default_rng(1)
    rows = []
    for place, (store, sku) in enumerate([*ITEMS, NEVER_SOLD]):
        for ahead in range(1 - days, planned_days + 1):
            day = LAST_DAY + timedelta(days=ahead)
            promotion = int(day.day % 10 == 0)
            sales = 10 + 5 * place + 4 * (day.weekday() >= 5) + 6 * promotion + float(dice.normal())
            known = ahead <= 0 and (store, sku) != NEVER_SOLD
            category = "luxury" if (store, sku) == NEVER_SOLD else "food"
            rows.append((store, sku, day, max(0.0, sales) if known else None, 2.5, promotion, category))
    names = ["store", "sku", "date", "sales", "price", "promotion", "category_1"]
    types = {"sales": pl.Float32, "price": pl.Float32, "promotion": pl.Int8}
    return pl.DataFrame(rows, schema=names, orient="row", schema_overrides=types).sort("store", "sku", "date")


@pytest.fixture(scope="session")
def table() -> pl.DataFrame:
    return small_table()


def sevens(request: dict[str, Any]) -> dict[str, Any]:
    """A model whose core says 6 and whose correction says 7, every day."""
    days = request["horizon_days"]
    predictions = [
        {"id": item["id"], "core": [6.0] * days, "correction": [7.0] * days if item["extended"] else None}
        for item in request["items"]
    ]
    version = "1.0.0" if request["version"] == "champion" else request["version"]
    return {
        "version": version,
        "correction_version": "1.1.0",
        "correction_reason": None,
        "predictions": predictions,
    }


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a real server of the module's own."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Of both kinds of state database in turn; None is the file in VAR_DIR."""
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None
