"""Ordinary weeks raise no alarm, and each kind of damage does: on demo chains that are checked as of many days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pytest

from common.drift import Reference
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.drift import (
    CHECK_DAYS,
    Group,
    Population,
    distances_of,
    drifted_features,
    population,
    references,
    some_items,
)
from supermegaretail.history import SalesHistory

TRAINED_UNTIL = LAST_SALES_DAY - timedelta(days=90)
NEXT = pl.col("date") > LAST_SALES_DAY
LAST_WEEK = pl.col("date") > LAST_SALES_DAY - timedelta(days=7)


def drifted(reference: Reference, population: Population, group: Group) -> list[str]:
    return drifted_features(distances_of(reference, group, population))


@pytest.mark.parametrize("seed", [1, 7, 11])
def test_ordinary_weeks_after_training_raise_no_alarm(seed: int) -> None:
    table = demo_table(seed=seed, stores=3, products=20, days=600)
    known = references(SalesHistory.build(table.filter(pl.col("date") <= TRAINED_UNTIL)))
    whole = SalesHistory.build(table)
    items = some_items(whole, 1_000)
    days = [TRAINED_UNTIL + timedelta(days=step) for step in range(1, 90 - CHECK_DAYS, 5)]
    chains = {day: population(whole, items, as_of=day) for day in days}
    alarms = {
        (day, group, feature)
        for day, chain in chains.items()
        for group, reference in known.items()
        for feature in drifted(reference, chain, group)
    }
    assert alarms == set()


@pytest.fixture(scope="module")
def chain() -> pl.DataFrame:
    return demo_table(stores=3, products=20, days=400)


@pytest.fixture(scope="module")
def known(chain: pl.DataFrame) -> Mapping[Group, Reference]:
    return references(SalesHistory.build(chain))


def after(damage: pl.DataFrame, *, as_of: date = LAST_SALES_DAY) -> Population:
    history = SalesHistory.build(damage)
    return population(history, some_items(history, 1_000), as_of=as_of)


@pytest.mark.parametrize("times", [0, 0.05, 5, 20])
def test_a_week_of_sales_in_another_unit_is_drift(
    chain: pl.DataFrame, known: Mapping[Group, Reference], times: float
) -> None:
    sales = pl.when(LAST_WEEK).then(pl.col("sales") * times).otherwise(pl.col("sales"))
    assert drifted(known["core"], after(chain.with_columns(sales=sales)), "core")


@pytest.mark.parametrize(
    ("column", "plan"),
    [
        ("discount", pl.col("discount") * 100),
        ("discount", 1 - pl.col("discount")),
        ("price", pl.col("price") * 100),
        ("price", pl.col("price") / 100),
        ("promotion", pl.lit(1)),
    ],
)
def test_plans_of_another_meaning_are_drift_of_the_plans_alone(
    chain: pl.DataFrame, known: Mapping[Group, Reference], column: str, plan: pl.Expr
) -> None:
    damaged = pl.when(NEXT).then(plan).otherwise(pl.col(column)).cast(chain.schema[column])
    chain_after = after(chain.with_columns(damaged.alias(column)))
    assert drifted(known["correction"], chain_after, "correction")
    assert drifted(known["core"], chain_after, "core") == []


def test_plans_that_vanish_are_no_drift(chain: pl.DataFrame) -> None:
    assert len(after(chain.filter(~NEXT)).correction) == 0


def test_a_history_of_a_few_days_has_no_reference() -> None:
    young = demo_table(stores=3, products=20, days=30)
    assert references(SalesHistory.build(young)) == {}
    assert references(SalesHistory.build(pl.DataFrame())) == {}
