"""The moving average answers from one day of sales on, without any model."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from supermegaretail.baseline import moving_average, plausible_maximum
from supermegaretail.history import SalesHistory
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, NEVER_SOLD, small_table


def daily(sales: list[float]) -> SalesHistory:
    """One product that sold this in the days up to LAST_DAY."""
    days = [LAST_DAY - timedelta(days=back) for back in reversed(range(len(sales)))]
    n = len(sales)
    return SalesHistory.build(pl.DataFrame({"store": ["s"] * n, "sku": ["p"] * n, "date": days, "sales": sales}))


def forecast(history: SalesHistory, *, as_of: date = LAST_DAY, horizon_days: int = 14) -> list[float]:
    row: list[float] = moving_average(history, [("s", "p")], as_of=as_of, horizon_days=horizon_days)[0].tolist()
    return row


def test_one_day_of_sales_is_enough() -> None:
    assert forecast(daily([6.0])) == pytest.approx([6.0] * 14, abs=0.01)


def test_a_product_that_never_sold_is_forecast_at_nothing() -> None:
    assert forecast(daily([0.0] * 30)) == [0.0] * 14


def test_the_weekday_profile_is_followed() -> None:
    made = forecast(daily([2.0, 2.0, 2.0, 2.0, 2.0, 20.0, 12.0] * 8))
    assert int(np.argmax(made[:7])) == 5
    assert made[:7] == made[7:]
    assert sum(made[:7]) == pytest.approx(42, rel=0.05)


def test_without_history_there_is_no_number() -> None:
    history = SalesHistory.build(small_table())
    made = moving_average(history, [NEVER_SOLD, *ITEMS, ("no", "one")], as_of=LAST_DAY, horizon_days=28)
    assert np.isnan(made).all(1).tolist() == [True, False, False, False, True]
    assert np.isfinite(made[1:4]).all()


def test_sales_after_as_of_are_not_used() -> None:
    assert forecast(daily([5.0, 500.0]), as_of=LAST_DAY - timedelta(days=1)) == pytest.approx([5.0] * 14, abs=0.01)


def test_the_plausible_maximum_is_many_times_the_best_day_up_to_as_of() -> None:
    history = daily([3.0, 40.0, 700.0])
    day_before = LAST_DAY - timedelta(days=1)
    assert plausible_maximum(history, [("s", "p"), ("no", "one")], as_of=day_before).tolist() == [400.0, 10.0]
