"""The demo chain has what makes retail hard, and is the same chain every time."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from supermegaretail.demo_calendar import demo_calendar, easter
from supermegaretail.demo_data import LAST_SALES_DAY, PLAN_DAYS, demo_table
from supermegaretail.table import clean


@pytest.fixture(scope="module")
def demo() -> pl.DataFrame:
    return demo_table(seed=7, stores=4, products=40, days=760)


def sold(demo: pl.DataFrame) -> pl.DataFrame:
    return demo.filter(pl.col("sales").is_not_null())


def mean_sales(rows: pl.DataFrame) -> float:
    return float(rows.select(pl.col("sales").mean()).item())


def test_the_demo_is_canonical_and_deterministic(demo: pl.DataFrame) -> None:
    assert clean(demo).rejects.is_empty()
    assert clean(demo).rows.equals(demo)
    assert demo_table(seed=7, stores=4, products=40, days=760).equals(demo)
    assert not demo_table(seed=8, stores=4, products=40, days=760).equals(demo)


def test_sales_end_on_a_fixed_day_and_plans_follow_for_28_days(demo: pl.DataFrame) -> None:
    plans = demo.filter(pl.col("sales").is_null())
    assert sold(demo)["date"].max() == LAST_SALES_DAY
    assert plans["date"].min() == LAST_SALES_DAY + timedelta(1)
    assert plans["date"].max() == LAST_SALES_DAY + timedelta(PLAN_DAYS)
    assert (
        plans.select("price", "discount", "promotion", "holiday", "x_temperature").null_count().sum_horizontal()[0] == 0
    )
    assert plans["stockout_hours"].null_count() == plans.height
    assert plans["promotion"].sum() > 0
    assert plans["event"].drop_nulls().to_list()


def test_products_come_and_go_and_some_have_no_history(demo: pl.DataFrame) -> None:
    life = demo.group_by("sku").agg(
        first=pl.col("date").min(), last=pl.col("date").max(), days_sold=pl.col("sales").count()
    )
    assert life.filter(pl.col("last") < LAST_SALES_DAY).height == 4
    assert life.filter(pl.col("days_sold") == 0).height == 1
    new = (pl.col("days_sold") > 0) & (pl.col("first") > LAST_SALES_DAY - timedelta(600))
    assert life.filter(new).height == 4


def test_promotions_and_discounts_raise_sales_more_the_deeper_they_are(demo: pl.DataFrame) -> None:
    own = sold(demo).with_columns(ratio=pl.col("sales") / pl.col("sales").mean().over("store", "sku"))
    by_discount = own.group_by("discount").agg(pl.col("ratio").mean()).sort("discount")["ratio"].to_list()
    assert by_discount[0] > 1.4 * by_discount[-2] > 1.4 * by_discount[-1]


def test_a_promotion_takes_sales_from_its_rivals(demo: pl.DataFrame) -> None:
    promoted = pl.col("promotion").cast(pl.Float64)
    others = (promoted.sum() - promoted).over("store", "category_2", "date")
    calm = sold(demo).with_columns(others=others).filter((pl.col("promotion") == 0) & (pl.col("holiday") == 0))
    ratio = calm.with_columns(ratio=pl.col("sales") / pl.col("sales").mean().over("store", "sku"))
    one, none = ratio.filter(pl.col("others") >= 2), ratio.filter(pl.col("others") == 0)
    assert one["ratio"].mean() < 0.92 * none["ratio"].mean()  # type: ignore[operator]


def test_weekends_summers_and_rushes_before_holidays_sell_more_and_closed_days_nothing(demo: pl.DataFrame) -> None:
    weekday = pl.col("date").dt.weekday()
    assert mean_sales(sold(demo).filter(weekday == 6)) > 1.3 * mean_sales(sold(demo).filter(weekday == 2))
    frozen = sold(demo).filter(pl.col("category_2") == "frozen")
    summer = pl.col("date").dt.month().is_in([6, 7, 8])
    assert mean_sales(frozen.filter(summer)) > 1.3 * mean_sales(frozen.filter(~summer))
    assert mean_sales(sold(demo).filter(pl.col("event") == "Christmas")) == 0
    rush = pl.col("date").is_between(date(2025, 12, 19), date(2025, 12, 24))
    week_before = pl.col("date").is_between(date(2025, 12, 12), date(2025, 12, 17))
    assert mean_sales(sold(demo).filter(rush)) > 1.2 * mean_sales(sold(demo).filter(week_before))


def test_stockouts_are_flagged_and_hide_demand(demo: pl.DataFrame) -> None:
    fast = sold(demo).with_columns(ratio=pl.col("sales") / pl.col("sales").mean().over("store", "sku"))
    hours = fast["stockout_hours"]
    assert 0.005 < (hours > 0).mean() < 0.05  # type: ignore[operator]
    assert hours.max() == 16
    assert fast.filter(hours == 16)["sales"].max() == 0
    assert fast.filter(hours == 0)["ratio"].mean() > 0.9  # type: ignore[operator]


def test_slow_movers_mostly_sell_nothing_and_fast_ones_hardly_ever(demo: pl.DataFrame) -> None:
    zeros = sold(demo).group_by("store", "sku").agg(zeros=(pl.col("sales") == 0).mean())["zeros"]
    assert (zeros > 0.5).sum() > 5
    assert (zeros < 0.05).sum() > 20


def test_prices_change_and_include_the_discount(demo: pl.DataFrame) -> None:
    changes = demo.group_by("store", "sku").agg((pl.col("price") / pl.col("discount")).round(1).n_unique())
    assert changes["price"].mean() > 2  # type: ignore[operator]


@pytest.mark.parametrize("size", [{"stores": 1, "products": 1, "days": 30}, {"stores": 3, "products": 90, "days": 60}])
def test_small_and_wide_chains_can_be_made_too(size: dict[str, int]) -> None:
    table = demo_table(**size)
    assert table["store"].n_unique() == size["stores"]
    assert table["sku"].n_unique() == size["products"]


def test_easter_and_its_holidays_fall_on_the_right_days() -> None:
    assert [easter(year) for year in (2011, 2024, 2025, 2026)] == [
        date(2011, 4, 24),
        date(2024, 3, 31),
        date(2025, 4, 20),
        date(2026, 4, 5),
    ]
    april = demo_calendar(date(2026, 4, 1), 8)
    assert april.filter(pl.col("holiday") == 1)["date"].to_list() == [date(2026, 4, 3), date(2026, 4, 6)]
