"""The quantiles of the moving average: from the item's own past, and honest about how often they hold."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from supermegaretail.baseline import moving_average
from supermegaretail.baseline_spread import average_quantiles
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, NEVER_SOLD, small_table

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SERIES = 120
DAYS = 200


def made(history: SalesHistory, items: list[tuple[str, str]]) -> Floats:
    average = moving_average(history, items, as_of=LAST_DAY, horizon_days=14)
    return average_quantiles(history, items, average, as_of=LAST_DAY, levels=LEVELS)


def test_they_rise_and_are_never_negative_and_unknown_items_have_none() -> None:
    history = SalesHistory.build(small_table())
    found = made(history, [NEVER_SOLD, *ITEMS, ("no", "one")])
    assert found.shape == (5, len(LEVELS), 14)
    assert np.isnan(found).all((1, 2)).tolist() == [True, False, False, False, True]
    assert (found[1:4] >= 0).all()
    assert (np.diff(found[1:4], axis=1) >= 0).all()


def test_a_single_day_of_sales_is_enough() -> None:
    one_day = pl.DataFrame({"store": ["s"], "sku": ["p"], "date": [LAST_DAY], "sales": [6.0]})
    found = made(SalesHistory.build(one_day), [("s", "p")])[0]
    assert found[0].max() < 6 < found[-1].min()


def test_a_product_sold_by_the_piece_has_whole_numbers() -> None:
    found = made(chain(mean=1.0, whole=True), [("s", "p0")])
    np.testing.assert_array_equal(found, np.round(found))


def chain(*, mean: float, whole: bool, until: int = 7) -> SalesHistory:
    """Products that sell at random around a mean, by the piece or by weight, `until` so many days after LAST_DAY."""
    dice = np.random.default_rng(3)
    days = [LAST_DAY + timedelta(days=ahead) for ahead in range(8 - DAYS, 8)]
    sales = dice.negative_binomial(4, 4 / (4 + mean), (SERIES, DAYS)).astype(float)
    if not whole:
        sales = dice.gamma(4, mean / 4, (SERIES, DAYS))
    skus = [f"p{place}" for place in range(SERIES) for _ in days]
    table = pl.DataFrame({"store": "s", "sku": skus, "date": days * SERIES, "sales": sales.ravel()})
    return SalesHistory.build(table.filter(pl.col("date") <= LAST_DAY + timedelta(days=until)))


@pytest.mark.parametrize(("mean", "whole"), [(0.3, True), (2.0, True), (40.0, True), (5.0, False)])
def test_they_hold_as_often_as_they_say_on_days_that_they_did_not_see(mean: float, whole: bool) -> None:
    history, items = chain(mean=mean, whole=whole), [("s", f"p{place}") for place in range(SERIES)]
    average = moving_average(history, items, as_of=LAST_DAY, horizon_days=7)
    found = average_quantiles(history, items, average, as_of=LAST_DAY, levels=LEVELS)
    sold = np.stack([history.panel.series[history.panel.places[item]].values[0, -7:] for item in items])
    for place, level in enumerate(LEVELS):
        below, at_or_below = (sold < found[:, place]).mean(), (sold <= found[:, place]).mean()
        assert below - 0.04 <= level <= at_or_below + 0.04


def test_sales_after_as_of_do_not_matter() -> None:
    whole, items = chain(mean=3.0, whole=True), [("s", "p0"), ("s", "p1")]
    earlier = chain(mean=3.0, whole=True, until=0)
    np.testing.assert_array_equal(made(earlier, items), made(whole, items))


def sold_daily(units: list[float], *, stockout_hours: list[float] | None = None) -> SalesHistory:
    """One item's sales up to LAST_DAY."""
    days = [LAST_DAY + timedelta(days=step + 1 - len(units)) for step in range(len(units))]
    table = pl.DataFrame({"store": "s", "sku": "p", "date": days, "sales": units})
    if stockout_hours is not None:
        table = table.with_columns(pl.Series("stockout_hours", stockout_hours))
    return SalesHistory.build(table)


def middle(history: SalesHistory) -> tuple[float, float]:
    """The moving average, and the quantile 0.5, of the first day."""
    average = moving_average(history, [("s", "p")], as_of=LAST_DAY, horizon_days=7)
    found = average_quantiles(history, [("s", "p")], average, as_of=LAST_DAY, levels=[0.5])
    return float(average[0, 0]), float(found[0, 0, 0])


def test_after_a_good_week_the_middle_lies_below_the_average_and_after_a_bad_one_above() -> None:
    dice = np.random.default_rng(5)
    usual = dice.gamma(9, 10 / 9, 100).tolist()
    good, bad = (middle(sold_daily(usual + [units] * 7)) for units in (16.0, 5.0))
    assert good[1] < 0.95 * good[0]
    assert bad[1] > bad[0]


def test_days_that_sell_out_count_with_what_was_sold_on_them() -> None:
    dice = np.random.default_rng(6)
    sold_out = np.arange(120) % 2 == 0
    units = np.where(sold_out, 2.5, dice.gamma(20, 0.5, 120)).tolist()
    average, in_the_middle = middle(sold_daily(units, stockout_hours=np.where(sold_out, 12.0, 0.0).tolist()))
    assert average > 8  # of the days in stock
    assert in_the_middle < 8
