"""What sales and plans over HTTP may tell: further inputs that the table has, and days that are near all others."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import structlog.testing

from common.state.database import open_state
from supermegaretail.book import SalesBook
from supermegaretail.columns import FIRST_DAY
from supermegaretail.columns import LAST_DAY as END_OF_DAYS
from supermegaretail.contract import Plan, Sale
from supermegaretail.ledger import Ledger
from supermegaretail.panel import Panel
from supermegaretail.series import CHANNELS, MOST_DAYS
from supermegaretail.settings import RetailSettings
from supermegaretail.table import clean, save_table
from supermegaretail.told_rows import BadRows
from tests.supermegaretail.conftest import LAST_DAY
from tests.supermegaretail.test_api import NOBODY, service

TOMORROW = LAST_DAY + timedelta(days=1)
MILK: dict[str, Any] = {"store": "north", "sku": "milk", "date": TOMORROW.isoformat()}


def book_in(folder: Path) -> SalesBook:
    book = SalesBook(folder / "supermegaretail" / "sales.parquet", Ledger(open_state(RetailSettings(var_dir=folder))))
    book.refresh()
    return book


def bytes_of(panel: Panel) -> int:
    return sum(one.values.nbytes for one in (*panel.series, *panel.groups))


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    with_rain = table.with_columns(x_rain=pl.lit(1.0, pl.Float32))
    save_table(with_rain, tmp_path / "supermegaretail" / "sales.parquet")
    return tmp_path


async def test_a_row_of_the_table_can_be_sent_as_it_is(var_dir: Path) -> None:
    sale = {**MILK, "sales": 4.0, "price": 2.0, "promotion": 1, "x_rain": 3.5, "stockout_hours": None}
    async with service(var_dir, NOBODY) as client:
        assert (await client.post("/v1/sales", json={"sales": [sale]})).status_code == 201
        assert (await client.post("/v1/plans", json={"plans": [{**MILK, "x_rain": 2.5}]})).status_code == 201
    book = book_in(var_dir)
    one = book.history.panel.series[book.history.panel.places["north", "milk"]]
    known = dict(zip(CHANNELS, one.values[:, TOMORROW.toordinal() - one.first_day].tolist(), strict=True))
    assert [known[name] for name in ("sales", "price", "promotion", "x_1")] == [4, 2, 1, 2.5]


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ({"x_rain": "1"}, "plans.1.x_rain"),
        ({"x_rain": True}, "plans.1.x_rain"),
        ({"x_rain": 1e13}, "plans.1.x_rain"),
        ({"rain": 1.0}, "plans.1.rain"),
        ({"x_": 1.0}, "plans.1.x_"),
        ({"x_" + "a" * 63: 1.0}, "plans.1.x_aaa"),
        ({f"x_{number}": 1.0 for number in range(51)}, "plans.1"),
        ({"x_snow": 1.0}, "plans.1.x_snow"),
        ({"price": None}, "plans.1: Value error, a plan needs at least one of price"),
        ({"price": 1.0, "date": "2099-01-01"}, "plans.1.date"),
        ({"price": 1.0, "date": "1999-01-01"}, "plans.1.date"),
    ],
)
async def test_what_a_row_may_not_tell_is_told_where(var_dir: Path, told: dict[str, Any], where: str) -> None:
    async with service(var_dir, NOBODY) as client:
        response = await client.post("/v1/plans", json={"plans": [{**MILK, "price": 1.0}, {**MILK, **told}]})
        assert response.status_code == 422
        assert response.json()["detail"].startswith(where)
    assert book_in(var_dir).history.panel.x_names == ("x_rain",)


def test_sales_years_before_all_others_are_refused_and_a_new_chain_may_begin_with_them(
    tmp_path: Path, var_dir: Path
) -> None:
    old = Sale(store="north", sku="milk", date=date(2010, 1, 1), sales=1)
    with pytest.raises(BadRows, match=r"sales\.0\.date: 2010-01-01 is not a day from 2016"):
        book_in(var_dir).record_sales([old])
    new = book_in(tmp_path / "new")
    for year in range(2010, 2027, 4):
        new.record_sales([old.model_copy(update={"date": date(year, 1, 1)})])
    assert new.history.last_day == date(2026, 1, 1)


def test_what_lies_too_far_from_the_middle_of_all_to_be_used_is_refused(tmp_path: Path) -> None:
    first, last = date(2011, 1, 29), date(2016, 6, 19)
    days = pl.DataFrame({"store": "CA_1", "sku": "milk", "date": pl.date_range(first, last, eager=True), "sales": 3.0})
    save_table(clean(days).rows, tmp_path / "supermegaretail" / "sales.parquet")
    book = book_in(tmp_path)
    middle = first + (last - first) / 2
    last_used = middle + timedelta(days=MOST_DAYS)
    sales = [Sale(store="CA_1", sku="milk", date=last_used + timedelta(days=late), sales=5) for late in range(2)]
    with pytest.raises(BadRows, match=rf"sales\.1\.date: {sales[1].date} lies more than 4000 days from {middle}"):
        book.record_sales(sales)
    book.record_sales(sales[:1])
    with pytest.raises(BadRows, match=r"plans\.0\.date"):  # nor would it be used after a restart
        book.record_plans([Plan(store="CA_1", sku="milk", date=sales[1].date, price=1.0)])
    assert book.history.last_day == book_in(tmp_path).history.last_day == last_used


def test_a_request_whose_items_would_get_years_each_is_refused_and_stores_nothing(var_dir: Path) -> None:
    days = (LAST_DAY - timedelta(days=3_000), LAST_DAY + timedelta(days=700))
    plans = [Plan(store="north", sku=f"{number}", date=day, price=1.0) for number in range(5_000) for day in days]
    book = book_in(var_dir)
    with pytest.raises(BadRows, match="5000 items get 18505000 days more"):
        book.record_plans(plans)
    assert book_in(var_dir).history.panel.places.keys() == book.history.panel.places.keys()
    book.record_plans(plans[:200])  # seven years of a hundred items


def test_rows_a_century_apart_take_no_memory_wherever_they_came_from(table: pl.DataFrame) -> None:
    names, ends = [f"{number}" for number in range(2_000)], (FIRST_DAY, END_OF_DAYS)
    wrong = pl.DataFrame(
        {"store": "north", "sku": names * 2, "date": [day for day in ends for _ in names], "price": 1.0}
    )
    known, _ = Panel().updated(table)
    with structlog.testing.capture_logs() as logs:
        panel, touched = known.updated(clean(wrong).rows)
    assert [(one["event"], one["rows"]) for one in logs] == [("sales.rows_left_out", 4_000)]
    assert (len(touched), panel.places.keys()) == (0, known.places.keys())
    alone, _ = Panel().updated(clean(wrong).rows)
    assert bytes_of(alone) < 1e6
    months = wrong.with_columns(date=pl.lit(LAST_DAY) - pl.duration(days=pl.int_range(4_000) % 2_000))
    scattered, _ = Panel().updated(clean(months).rows.unique("sku").sort("sku"))
    assert bytes_of(scattered) < 1e6  # one day of each product: their groups have no more
    assert max(one.values.shape[1] for one in scattered.series) == 1


def test_groups_get_no_days_on_which_nothing_is_known_of_them(table: pl.DataFrame) -> None:
    panel, _ = Panel().updated(table)
    far = table.head(1).select("store", "sku", date=pl.lit(LAST_DAY + timedelta(days=700)), holiday=pl.lit(1.0))
    updated, _ = panel.updated(far)
    assert [(one.first_day, one.end_day) for one in updated.groups] == [
        (one.first_day, one.end_day) for one in panel.groups
    ]


def test_a_wrong_date_does_not_push_out_what_is_known(table: pl.DataFrame) -> None:
    wrong = table.head(1).with_columns(date=pl.lit(END_OF_DAYS), sales=pl.lit(5.0, pl.Float32))
    together = pl.concat([table, wrong]).sort("store", "sku", "date")
    panel, right = Panel().updated(together)[0], Panel().updated(table)[0]
    assert panel.places == right.places
    for one, other in zip((*panel.series, *panel.groups), (*right.series, *right.groups), strict=True):
        assert np.array_equal(one.values, other.values, equal_nan=True)
    assert END_OF_DAYS.toordinal() - LAST_DAY.toordinal() > MOST_DAYS
