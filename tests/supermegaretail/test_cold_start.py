"""New products and new stores start from what is sold of their group, and give it up as their own sales arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from supermegaretail.baseline import moving_average, plausible_maximum
from supermegaretail.categories import Category
from supermegaretail.cold_start import FEW_DAYS, Origin
from supermegaretail.contract import Plan
from supermegaretail.examples import draw
from supermegaretail.features import CORE_DESIGN, STABLE
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.monitoring.records import marks
from supermegaretail.panel import Key, Panel
from supermegaretail.series import AVERAGED, SALES, Floats32
from supermegaretail.states import states_of
from supermegaretail.table import merge, save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import LAST_DAY, sevens
from tests.supermegaretail.test_api import forecast, service

SKUS = tuple(f"sku {place}" for place in range(20))
NEW = "new sku"


def series(
    store: str, sku: str, units: float, *, days: int = 90, category: str = "fruit", ahead: int = 0
) -> pl.DataFrame:
    """`days` of constant sales up to LAST_DAY, or plans only for the days `ahead`."""
    count = ahead or days
    first = LAST_DAY + timedelta(days=1 if ahead else 1 - days)
    return pl.DataFrame(
        {
            "store": [store] * count,
            "sku": [sku] * count,
            "date": [first + timedelta(days=day) for day in range(count)],
            "sales": pl.Series([None if ahead else units] * count, dtype=pl.Float32),
            "category_1": ["food"] * count,
            "category_2": [category] * count,
        }
    )


def chain(*more: pl.DataFrame, small: float = 2, large: float = 6) -> pl.DataFrame:
    """Two stores that sell the same products, the large one three times as much, and some rows more."""
    usual = [series(store, sku, units) for store, units in (("small", small), ("large", large)) for sku in SKUS]
    return pl.concat([*usual, *more], how="diagonal").sort("store", "sku", "date")


PLANNED = chain(series("small", NEW, 0, ahead=1))


def asked(history: SalesHistory, item: Key, as_of: date = LAST_DAY) -> ModelInputs:
    return history.inputs([item], as_of=as_of, horizon_days=7)


def level(inputs: ModelInputs) -> float:
    return float(inputs.stable[0, STABLE.index("level")])


def test_a_product_that_is_new_in_a_store_starts_from_other_stores_scaled_by_its_size() -> None:
    table = chain(series("small", NEW, 4), series("large", NEW, 0, ahead=1))
    found = asked(SalesHistory.build(table), ("large", NEW))
    assert found.known.all()
    assert found.cold.all()
    assert found.origin.tolist() == [Origin.PRODUCT]
    assert level(found) == pytest.approx(4 * (3 * 20 + 5) / (20 + 5), rel=0.02)


def test_a_new_product_starts_from_its_category() -> None:
    table = chain(*(series("small", f"nut {place}", 50, category="nuts") for place in range(3)))
    new = series("small", NEW, 0, category="nuts", ahead=1)
    found = asked(SalesHistory.build(merge(table, new)), ("small", NEW))
    assert found.origin.tolist() == [Origin.CATEGORY]
    assert 20 < level(found) < 55


@pytest.mark.parametrize("finer", [None, "unheard of"])
def test_a_new_product_whose_finest_category_sells_nothing_starts_from_the_wider_one(finer: str | None) -> None:
    told = {"category_2": pl.lit(finer, pl.String)}
    history = SalesHistory.build(chain(series("small", NEW, 0, ahead=1).with_columns(**told)))
    found = asked(history, ("small", NEW))
    assert found.origin.tolist() == [Origin.CATEGORY]
    assert level(found) == pytest.approx(level(asked(SalesHistory.build(PLANNED), ("small", NEW))), rel=0.01)
    grown = history.updated(series("small", SKUS[0], 500, days=28))
    assert level(asked(grown, ("small", NEW))) > 1.5 * level(found)


def test_whoever_was_told_only_a_wide_category_lends_no_more_than_all_others_in_it() -> None:
    coarse = series("small", "odd one", 500).with_columns(category_2=pl.lit(None, pl.String))
    new = series("small", NEW, 0, ahead=1).with_columns(category_2=pl.lit(None, pl.String))
    found = asked(SalesHistory.build(merge(chain(coarse), new)), ("small", NEW))
    assert found.origin.tolist() == [Origin.CATEGORY]
    assert level(found) < 50


def test_an_item_alone_in_its_wider_category_too_starts_from_nothing() -> None:
    new = series("small", NEW, 3, days=5).with_columns(category_1=pl.lit("toys"), category_2=pl.lit("trains"))
    panel = SalesHistory.build(chain(new)).panel
    place, day = np.array([panel.places["small", NEW]]), np.array([LAST_DAY.toordinal()])
    assert not states_of(panel, place, day, hidden=np.array([True])).known.any()


def test_a_new_store_starts_from_the_products_of_the_chain() -> None:
    table = chain(series("new store", SKUS[3], 0, ahead=7))
    found = asked(SalesHistory.build(table), ("new store", SKUS[3]))
    assert found.origin.tolist() == [Origin.PRODUCT]
    assert level(found) == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("category", ["unheard of", None])
def test_without_a_group_nothing_is_known(category: str | None) -> None:
    new = series("small", NEW, 0, ahead=1).with_columns(
        category_1=pl.lit(None, pl.String), category_2=pl.lit(category, pl.String)
    )
    found = asked(SalesHistory.build(chain(new)), ("small", NEW))
    assert not found.known.any()
    assert not found.cold.any()
    assert np.isnan(found.stable).all()


def test_a_cold_start_has_every_stable_feature_and_is_seen_to_be_new() -> None:
    found = asked(SalesHistory.build(chain(series("small", NEW, 0, ahead=1))), ("small", NEW))
    assert np.isfinite(found.stable).all()
    ages = ("days_known_28", "days_since_first_sale", "days_since_sale", "days_since_report")
    assert found.stable[0, [STABLE.index(name) for name in ages]].tolist() == [0, 0, 0, 0]
    assert not found.planned_missing.any()


def test_few_days_of_sales_are_filled_up_from_the_group_less_and_less() -> None:
    levels = []
    for days in (1, 3, 7, FEW_DAYS - 1):
        history = SalesHistory.build(chain(series("small", NEW, 40, days=days), series("large", NEW, 30)))
        found = asked(history, ("small", NEW))
        assert found.origin.tolist() == [Origin.PRODUCT]
        assert not found.cold.any()
        levels.append(level(found))
    assert levels == sorted(levels)
    assert 15 < levels[0] < 30
    assert levels[-1] == pytest.approx(40, rel=0.02)


def test_whoever_knows_two_weeks_of_sales_borrows_nothing() -> None:
    history = SalesHistory.build(chain(series("small", NEW, 40, days=FEW_DAYS), series("large", NEW, 30)))
    found = asked(history, ("small", NEW))
    assert found.origin.tolist() == [Origin.OWN]
    assert level(found) == pytest.approx(40.02)


def test_a_group_never_lends_a_member_what_the_member_itself_sold() -> None:
    history = SalesHistory.build(chain(series("small", NEW, 40)))
    place = history.panel.places["small", NEW]
    hidden = states_of(history.panel, np.array([place]), np.array([LAST_DAY.toordinal()]), hidden=np.array([True]))
    assert hidden.origin.tolist() == [Origin.CATEGORY]
    assert hidden.values[0, STABLE.index("level")] < 6


def with_everything(table: pl.DataFrame) -> pl.DataFrame:
    """Stock-outs, some of which lower or censor the sales, discounts and promotions, other ones on every day."""
    hours, discounts = ([0, 0, 10, 4, 14, 9, 0], [1.0, 0.8, 0.9, 0.7, 1.0])
    place = pl.int_range(pl.len()) + pl.col("sku").str.len_chars()
    known = pl.col("sales").is_not_null()
    late = pl.when(place % 7 == 2).then(0.2).otherwise(1.0)
    return table.with_columns(
        sales=(pl.col("sales") * late).cast(pl.Float32),
        stockout_hours=pl.when(known).then((place % 7).replace_strict(dict(enumerate(hours)), return_dtype=pl.Float32)),
        discount=pl.when(known).then((place % 5).replace_strict(dict(enumerate(discounts)), return_dtype=pl.Float32)),
        promotion=pl.when(known).then((place % 3 == 0).cast(pl.Int8)),
    )


@pytest.mark.parametrize("telling", [pl.DataFrame.clone, with_everything], ids=["sales", "everything"])
def test_hidden_sales_leave_what_a_new_item_would_be_given(telling: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    table, item = telling(chain(series("small", NEW, 40), series("large", NEW, 9))), ("small", NEW)
    whole = SalesHistory.build(table)
    own = (pl.col("store") == item[0]) & (pl.col("sku") == item[1])
    without = SalesHistory.build(merge(table.filter(~own), telling(series(*item, 0, ahead=1))))
    states = [
        states_of(one.panel, np.array([one.panel.places[item]]), np.array([LAST_DAY.toordinal()]), hidden=hidden)
        for one, hidden in ((whole, np.array([True])), (without, None))
    ]
    np.testing.assert_allclose(states[0].values, states[1].values, atol=2e-4)


def test_nothing_sold_after_as_of_is_lent() -> None:
    table = chain(series("small", NEW, 0, ahead=1))
    as_of = LAST_DAY - timedelta(days=10)
    later = table.with_columns(sales=pl.when(pl.col("date") > as_of).then(pl.col("sales") * 9).otherwise("sales"))
    before, after = (asked(SalesHistory.build(one), ("small", NEW), as_of).stable for one in (table, later))
    np.testing.assert_array_equal(before, after)


def test_sales_of_the_group_reach_an_item_that_starts_from_it() -> None:
    table = chain(series("small", NEW, 0, ahead=1))
    history = SalesHistory.build(table)
    before = level(asked(history, ("small", NEW)))
    sold = pl.concat([series("large", sku, 60, days=7) for sku in SKUS])
    updated, rebuilt = history.updated(sold), SalesHistory.build(merge(table, sold))
    assert level(asked(updated, ("small", NEW))) > before
    np.testing.assert_allclose(asked(updated, ("small", NEW)).stable, asked(rebuilt, ("small", NEW)).stable, atol=2e-4)


def test_an_item_without_a_group_starts_as_soon_as_there_is_one() -> None:
    table = chain(series("small", NEW, 0, category="nuts", ahead=1).drop("category_1"))
    history = SalesHistory.build(table)
    assert not asked(history, ("small", NEW)).known.any()
    sold = series("large", "walnut", 9, category="nuts")
    assert asked(history.updated(sold), ("small", NEW)).cold.all()


def test_an_item_of_few_days_without_a_group_borrows_as_soon_as_there_is_one() -> None:
    lonely = series("small", NEW, 5, days=3, category="trains").with_columns(category_1=pl.lit("toys"))
    others = series("large", "a doll", 50, days=28, category="dolls").with_columns(category_1=pl.lit("toys"))
    history = SalesHistory.build(chain(lonely))
    assert asked(history, ("small", NEW)).origin.tolist() == [Origin.OWN]
    after = asked(history.updated(others), ("small", NEW))
    anew = asked(SalesHistory.build(chain(lonely, others)), ("small", NEW))
    assert after.origin.tolist() == anew.origin.tolist() == [Origin.CATEGORY]
    assert level(after) == pytest.approx(level(anew))


def test_the_moving_average_forecasts_a_cold_start_and_its_level_is_plausible() -> None:
    history = SalesHistory.build(chain(series("new store", SKUS[0], 0, ahead=1), small=200, large=600))
    demand = moving_average(history, [("new store", SKUS[0])], as_of=LAST_DAY, horizon_days=7)
    assert demand == pytest.approx(np.full((1, 7), 400), rel=0.02)
    assert plausible_maximum(history, [("new store", SKUS[0])], as_of=LAST_DAY)[0] > 1_000


def test_a_category_told_once_in_any_row_counts_and_a_coarser_one_does_not_replace_it() -> None:
    plain = chain(series("small", NEW, 0, ahead=2)).with_columns(
        category_2=pl.when((pl.col("sku") == NEW) & (pl.col("date").dt.day() == 29)).then(None).otherwise("category_2")
    )
    history = SalesHistory.build(plain)
    place = history.panel.places["small", NEW]
    assert history.panel.categories[place] == (2, "fruit")
    coarser = series("small", NEW, 0, ahead=1).drop("category_2")
    assert history.updated(coarser).panel.categories[place] == (2, "fruit")


def test_a_series_that_changes_its_category_is_in_the_new_one_on_all_its_days() -> None:
    table = chain(series("small", NEW, 40))
    moved = series("small", NEW, 40, days=1, category="nuts")
    rows = table.with_columns(category_2=pl.when(pl.col("sku") == NEW).then(pl.lit("nuts")).otherwise("category_2"))
    updated, rebuilt = (one.panel for one in (SalesHistory.build(table).updated(moved), SalesHistory.build(rows)))
    for name in ("nuts", "fruit"):
        one, other = (category_mean(panel, (2, name)) for panel in (updated, rebuilt))
        np.testing.assert_allclose(one, other, rtol=1e-6)


def category_mean(panel: Panel, category: Category) -> Floats32:
    last = LAST_DAY.toordinal()
    return panel.category_means([category], last - 89, last + 1)[0].values


def test_the_mean_of_a_category_is_that_of_all_it_was_told_of_however_the_rows_came() -> None:
    coarse = series("small", "odd one", 500).with_columns(category_2=pl.lit(None, pl.String))
    elsewhere = series("large", NEW, 40).with_columns(
        category_1=pl.lit("garden")
    )  # the same fine one in another wide one
    rows = [chain(), coarse, elsewhere, series("small", "walnut", 9, days=3, category="nuts")]
    updated, table = SalesHistory.build(rows[0]), rows[0]
    for row in rows[1:]:
        updated, table = updated.updated(row), merge(table, row)
    for panel in (updated.panel, SalesHistory.build(table).panel):
        food = (20 * 2 + 20 * 6 + 500 + 9) / 42
        assert category_mean(panel, (1, "food"))[[SALES, AVERAGED + SALES], -1] == pytest.approx([food, 42])
        assert category_mean(panel, (2, "fruit"))[[SALES, AVERAGED + SALES], -1] == pytest.approx([200 / 41, 41])


def test_the_mean_of_a_category_is_put_together_without_a_look_at_its_series() -> None:
    panel = SalesHistory.build(chain()).panel
    assert category_mean(replace(panel, series=()), (1, "food"))[SALES].tolist() == [4] * 90


def test_a_share_of_the_examples_is_of_items_that_start_cold() -> None:
    panel = SalesHistory.build(chain()).panel
    core = draw(panel, rows=4_000, seed=1).core
    cold = core[:, CORE_DESIGN.index("days_known_28")] == 0
    assert 0.01 < cold.mean() < 0.06
    assert np.isfinite(core[:, CORE_DESIGN.index("level")]).all()
    assert (draw(panel, rows=4_000, seed=1, hidden=0).core[:, CORE_DESIGN.index("days_known_28")] > 0).all()


async def test_a_product_announced_by_its_category_is_forecast_by_the_models(
    tmp_path: Path, table: pl.DataFrame
) -> None:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    plan = {"store": "north", "sku": NEW, "date": (LAST_DAY + timedelta(days=1)).isoformat()}
    item = {"store": "north", "sku": NEW}
    with json_server(sevens) as url:
        async with service(tmp_path, url) as client:
            before = await forecast(client, [item])
            assert (await client.post("/v1/plans", json={"plans": [{**plan, "category_1": "food"}]})).status_code == 201
            after = await forecast(client, [item])
    assert before["forecasts"][0]["served_by"] == "constant"
    assert (after["forecasts"][0]["served_by"], after["degraded"]) == ("correction", False)


def test_a_plan_may_tell_nothing_but_a_category() -> None:
    day = LAST_DAY + timedelta(days=1)
    assert Plan(store="small", sku=NEW, date=day, category_2="fruit").category_2 == "fruit"
    with pytest.raises(ValueError, match="at least one of"):
        Plan(store="small", sku=NEW, date=day)


def stranger(history: SalesHistory, item: Key) -> ModelInputs:
    return asked(history.announcing([item]), item)


def test_a_known_product_that_a_store_never_sold_starts_as_if_it_were_announced_there() -> None:
    rows = chain(series("small", NEW, 4), series("elsewhere", "walnut", 3, category="nuts"))
    for item in (("large", NEW), ("elsewhere", NEW)):
        found = stranger(SalesHistory.build(rows), item)
        announced = asked(SalesHistory.build(merge(rows, series(*item, 0, ahead=1))), item)
        assert found.origin.tolist() == announced.origin.tolist() == [Origin.PRODUCT]
        np.testing.assert_array_equal(found.stable, announced.stable)


def test_a_product_that_is_announced_in_another_store_alone_starts_from_its_category() -> None:
    found = stranger(SalesHistory.build(PLANNED), ("large", NEW))
    assert found.origin.tolist() == [Origin.CATEGORY]
    assert level(found) == pytest.approx(4 * (3 * 20 + 5) / (20 + 5), rel=0.02)


@pytest.mark.parametrize("item", [("large", "unheard of"), ("nowhere", SKUS[0]), ("small", SKUS[0])])
def test_nobody_is_taken_for_announced_whose_store_or_product_is_unknown_or_who_is_there(item: Key) -> None:
    history = SalesHistory.build(chain())
    assert history.announcing([item]) is history


def test_a_forecast_of_an_unannounced_item_is_marked_with_what_it_was_made_from() -> None:
    history, item = SalesHistory.build(chain(series("small", NEW, 4))), ("large", NEW)
    before, after = (
        marks(it, [item], as_of=LAST_DAY, horizon_days=7).tolist()
        for it in (history, history.updated(series("small", NEW, 9, days=1)))
    )
    assert before[0][2] != after[0][2]
    assert before == marks(history.announcing([item]), [item], as_of=LAST_DAY, horizon_days=7).tolist()


def test_who_is_taken_for_announced_changes_nothing_for_the_others() -> None:
    history = SalesHistory.build(chain(series("small", NEW, 4)))
    beside = history.announcing([("large", NEW)])
    items = [(store, sku) for store in ("small", "large") for sku in SKUS]
    assert beside.is_prepared(items, as_of=LAST_DAY)
    for one in (LAST_DAY, LAST_DAY - timedelta(days=1)):
        mine, theirs = (it.inputs(items, as_of=one, horizon_days=7) for it in (beside, history))
        np.testing.assert_array_equal(mine.stable, theirs.stable)
    assert not asked(history, ("large", NEW)).known.any()


async def test_a_known_product_that_a_store_never_sold_is_forecast_and_the_answer_says_that_nobody_announced_it(
    tmp_path: Path, table: pl.DataFrame
) -> None:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    items = [{"store": "south", "sku": "bread"}, {"store": "south", "sku": "milk"}, {"store": "moon", "sku": "bread"}]
    with json_server(sevens) as url:
        async with service(tmp_path, url) as client:
            answer = await forecast(client, items, quantiles=[0.5], explain=True)
    async with service(tmp_path) as client:
        alone = await forecast(client, items, quantiles=[0.5])
    told = [(one["served_by"], one["degraded"], one["reason"]) for one in answer["forecasts"]]
    assert told == [
        ("core", True, "correction:not_announced"),
        ("correction", False, None),
        ("constant", True, "core:unknown_item, moving_average:unknown_item"),
    ]
    assert answer["forecasts"][0]["explanation"]["moving_average"] is not None
    assert [one["served_by"] for one in alone["forecasts"]] == ["moving_average", "moving_average", "constant"]
    assert 10 < alone["forecasts"][0]["demand"][0] < 30
    assert alone["forecasts"][0]["quantiles"]["0.5"][0] > 5
