"""A day of sales that can't be right spoils no forecast of another product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from supermegaretail.examples import draw
from supermegaretail.group_means import means_of
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.quality.check import check
from supermegaretail.series import Floats32, Ints, Series
from supermegaretail.table import merge
from tests.supermegaretail.conftest import LAST_DAY
from tests.supermegaretail.test_cold_start import NEW, SKUS, chain, level, series

MISTAKEN = ("large", SKUS[0])
TABLE = chain(
    series("small", NEW, 0, ahead=1),  # borrows from its category,
    series("new store", SKUS[0], 0, ahead=1),  # from its product in other stores,
    series("small", "young", 4, days=5),  # and fills up what few days tell
)
OTHERS = [(store, sku) for store in ("small", "large") for sku in SKUS if (store, sku) != MISTAKEN]
OTHERS += [("small", NEW), ("small", "young"), ("new store", SKUS[0])]


def sold(item: Key, day: date, units: float) -> pl.DataFrame:
    return series(*item, units, days=1).with_columns(date=pl.lit(day))


def stable(history: SalesHistory, as_of: date = LAST_DAY) -> np.ndarray:
    return history.inputs(OTHERS, as_of=as_of, horizon_days=7).stable


@pytest.mark.parametrize("units", [1e9, 6e6, 6_000.0])
@pytest.mark.parametrize("days_ago", [0, 10, 83])
def test_one_huge_day_leaves_the_forecasts_of_all_others_as_they_were(units: float, days_ago: int) -> None:
    day = LAST_DAY - timedelta(days=days_ago)
    history = SalesHistory.build(TABLE).updated(sold(MISTAKEN, day, units))
    np.testing.assert_allclose(stable(history), stable(SalesHistory.build(TABLE)), rtol=0.02, atol=0.01)


def test_no_model_learns_from_a_mistake_and_all_from_what_sells_in_lumps() -> None:
    day = LAST_DAY - timedelta(days=10)
    lumps = pl.concat([sold(("large", SKUS[1]), LAST_DAY - timedelta(days=step), 200) for step in range(2, 80, 7)])
    history = SalesHistory.build(TABLE).updated(lumps)
    usual, mistaken = (
        draw(it.panel, rows=10_000, seed=1) for it in (history, history.updated(sold(MISTAKEN, day, 1e9)))
    )
    assert usual.demand.max() == 200
    assert mistaken.demand.max() == 200
    assert mistaken.demand.sum() == pytest.approx(usual.demand.sum(), rel=0.02)


def test_a_huge_day_that_left_the_window_leaves_nothing_behind() -> None:
    before = SalesHistory.build(chain())
    mistaken = before.updated(sold(MISTAKEN, LAST_DAY - timedelta(days=85), 1e9))
    known = [item for item in OTHERS if item in before.panel.places]
    for as_of in (LAST_DAY, LAST_DAY - timedelta(days=1)):
        one, other = (it.inputs(known, as_of=as_of, horizon_days=7).stable for it in (mistaken, before))
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_a_first_day_that_is_huge_is_not_lent_before_a_second_one_bears_it_out() -> None:
    first = chain(series("small", NEW, 0, ahead=1), series("large", "new too", 1e9, days=1))
    history = SalesHistory.build(first)
    found = history.inputs([("small", NEW)], as_of=LAST_DAY, horizon_days=7)
    assert level(found) < 10
    large = chain(*(series("large", f"dear {place}", 500, days=40, category="tv") for place in range(3)))
    new = series("small", NEW, 0, ahead=1, category="tv")
    found = SalesHistory.build(merge(large, new)).inputs([("small", NEW)], as_of=LAST_DAY, horizon_days=7)
    assert level(found) > 100


def test_what_sells_much_day_after_day_is_no_mistake() -> None:
    grown = merge(chain(), pl.concat([series("large", sku, 6_000, days=28) for sku in SKUS[1:3]]))
    panel = SalesHistory.build(grown).panel
    group = panel.groups[panel.group_numbers["store", "large"]]
    assert group.values[0, -1] == pytest.approx((2 * 6_000 + 18 * 6) / 20)


def test_what_sells_in_its_season_alone_is_lent_in_the_middle_of_it() -> None:
    units = pl.Series([0.0] * 86 + [200.0] * 4, dtype=pl.Float32)
    rows = chain(series("large", "candles", 0, category="wax").with_columns(sales=units))
    panel = SalesHistory.build(rows).panel
    assert panel.groups[panel.group_numbers["product", "candles"]].values[0, -4:].tolist() == [200] * 4
    assert "impossible.huge" not in [finding.check for finding in check(rows, today=LAST_DAY).findings]


@pytest.mark.parametrize("days", [31, 32, 33, 72, 73])
def test_the_check_and_the_groups_take_the_same_days_for_mistakes(days: int) -> None:
    units = pl.Series([5.0] * (days - 3) + [20.0] * 2 + [400.0], dtype=pl.Float32)
    one = series("large", "dear", 0, days=days, category="wax").with_columns(sales=units)
    told = [finding.check for finding in check(one, today=LAST_DAY).findings]
    mistaken = SalesHistory.build(one).panel.series[0].mistaken_days
    assert ("impossible.huge" in told) == bool(mistaken.size)


def test_an_old_mistake_has_no_group_averaged_on_all_the_days_since(monkeypatch: pytest.MonkeyPatch) -> None:
    mistaken = SalesHistory.build(chain()).updated(sold(MISTAKEN, LAST_DAY - timedelta(days=60), 1e6))
    averaged = list[int]()

    def counted(
        all_series: Sequence[Series], members: Ints, group_of: Ints, start_day: int, end_day: int
    ) -> Iterator[tuple[int, Floats32]]:
        averaged.append(end_day - start_day)
        return means_of(all_series, members, group_of, start_day, end_day)

    monkeypatch.setattr("supermegaretail.panel.means_of", counted)
    mistaken.updated(sold(MISTAKEN, LAST_DAY + timedelta(days=1), 6.0))
    assert set(averaged) == {1}


def test_a_mistake_that_is_put_right_counts_again_on_its_day_however_the_rows_came() -> None:
    day = LAST_DAY - timedelta(days=30)
    rows = [sold(MISTAKEN, day, 1e6), *(sold(MISTAKEN, LAST_DAY - timedelta(days=ago), 900.0) for ago in range(20))]
    history, table = SalesHistory.build(TABLE), TABLE
    for row in [*rows, sold(MISTAKEN, day, 7.0)]:
        history, table = history.updated(row), merge(table, row)
        np.testing.assert_allclose(stable(history), stable(SalesHistory.build(table)), atol=2e-4)
