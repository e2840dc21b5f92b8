"""Ordinary weeks raise no alarm, and each kind of damage does: of the chain as a whole, and of single items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pytest

from common.drift import Reference
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.drift import (
    CHECK_DAYS,
    GROUPS,
    Bounds,
    Group,
    Population,
    distances_of,
    drifted_features,
    population,
    references,
    some_items,
)
from supermegaretail.features import STABLE
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.states import ENDED_AFTER_DAYS

TRAINED_UNTIL = LAST_SALES_DAY - timedelta(days=90)
NEXT = pl.col("date") > LAST_SALES_DAY
LAST_WEEK = pl.col("date") > LAST_SALES_DAY - timedelta(days=7)


def drifted(reference: Reference, population: Population, group: Group) -> list[str]:
    return drifted_features(distances_of(reference, group, population))


@pytest.fixture(scope="module", params=[1, 7, 11], ids=lambda seed: f"chain {seed}")
def ordinary(request: pytest.FixtureRequest) -> tuple[Mapping[Group, Reference], SalesHistory]:
    """What was usual until a day, and the chain until 90 days later: some products have ended, some are new."""
    table = demo_table(seed=request.param, stores=3, products=20, days=600)
    return references(SalesHistory.build(table.filter(pl.col("date") <= TRAINED_UNTIL))), SalesHistory.build(table)


DAYS_AFTER = [TRAINED_UNTIL + timedelta(days=step) for step in range(1, 90 - CHECK_DAYS, 5)]


def test_ordinary_weeks_after_training_raise_no_alarm(
    ordinary: tuple[Mapping[Group, Reference], SalesHistory],
) -> None:
    known, whole = ordinary
    items = some_items(whole, 1_000)
    chains = {day: population(whole, items, as_of=day) for day in DAYS_AFTER}
    alarms = {
        (day, group, feature)
        for day, chain in chains.items()
        for group, reference in known.items()
        for feature in drifted(reference, chain, group)
    }
    assert alarms == set()


@pytest.mark.parametrize("group", GROUPS)
def test_no_single_item_is_strange_in_ordinary_weeks_not_even_one_that_ended(
    ordinary: tuple[Mapping[Group, Reference], SalesHistory], group: Group
) -> None:
    known, whole = ordinary
    items, ended = some_items(whole, 1_000), 0
    bounds = Bounds.of(group, known[group])
    for day in DAYS_AFTER:
        inputs = whole.inputs(items, as_of=day, horizon_days=CHECK_DAYS)
        ended += int((inputs.stable[:, STABLE.index("days_since_report")] > ENDED_AFTER_DAYS).sum())
        assert [item for item, strange in zip(items, bounds.strange(inputs), strict=True) if strange] == []
    assert ended > 0


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


def best_seller(chain: pl.DataFrame) -> Key:
    totals = chain.filter(LAST_WEEK).group_by("store", "sku").agg(pl.sum("sales"))
    return totals.sort("sales", "store", "sku", descending=True).select("store", "sku").row(0)


def of(item: Key) -> pl.Expr:
    return (pl.col("store") == item[0]) & (pl.col("sku") == item[1])


def strange_items(known: Mapping[Group, Reference], group: Group, damaged: pl.DataFrame) -> set[Key]:
    history = SalesHistory.build(damaged)
    items = some_items(history, 1_000)
    inputs = history.inputs(items, as_of=LAST_SALES_DAY, horizon_days=CHECK_DAYS)
    flags = Bounds.of(group, known[group]).strange(inputs)
    return {item for item, strange in zip(items, flags, strict=True) if strange}


@pytest.mark.parametrize(
    ("group", "column", "when", "times"),
    [
        ("core", "sales", LAST_WEEK, 20.0),
        ("correction", "price", NEXT, 100.0),
        ("correction", "price", NEXT, 0.01),
        ("correction", "discount", NEXT, 100.0),
    ],
)
def test_one_item_that_goes_wrong_is_strange_and_its_neighbours_are_not(
    chain: pl.DataFrame, known: Mapping[Group, Reference], group: Group, column: str, when: pl.Expr, times: float
) -> None:
    wrong = best_seller(chain)
    value = pl.when(of(wrong) & when).then(pl.col(column) * times).otherwise(pl.col(column))
    found = strange_items(known, group, chain.with_columns(value.cast(chain.schema[column]).alias(column)))
    # The mean discount of a category is an input of all its products, and wrong for all of them then.
    category = chain.filter(of(wrong))["category_1"][0]
    alike = chain.filter((pl.col("store") == wrong[0]) & (pl.col("category_1") == category))
    assert wrong in found
    assert found <= ({wrong} if column != "discount" else set(alike.select("store", "sku").iter_rows()))


def test_a_new_product_is_not_blamed_for_a_leap_of_what_it_starts_from(
    chain: pl.DataFrame, known: Mapping[Group, Reference]
) -> None:
    new = best_seller(chain)
    elsewhere = (pl.col("sku") == new[1]) & LAST_WEEK
    sales = pl.when(elsewhere).then(pl.col("sales") * 20).otherwise(pl.col("sales"))
    damaged = chain.with_columns(sales=sales).filter(~(of(new) & ~NEXT))
    found = strange_items(known, "core", damaged)
    assert new not in found
    assert found  # what leapt itself


def test_plans_that_vanish_are_no_drift(chain: pl.DataFrame) -> None:
    assert len(after(chain.filter(~NEXT)).correction) == 0


def test_a_history_of_a_few_days_has_no_reference() -> None:
    young = demo_table(stores=3, products=20, days=30)
    assert references(SalesHistory.build(young)) == {}
    assert references(SalesHistory.build(pl.DataFrame())) == {}
