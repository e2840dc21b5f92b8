"""FreshRetailNet's own files, written here in the form in which they are published."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from supermegaretail.imports import ImportProblem, read_any

FIRST = date(2024, 3, 28)
HOURS = [0.1] * 24


def published(first: date, days: int, *, pairs: list[tuple[int, int]]) -> pl.DataFrame:
    """One row per pair of store and product and day, with all columns that the publisher gives."""
    rows = [
        {
            "city_id": 3,
            "store_id": store,
            "management_group_id": 1,
            "first_category_id": 5,
            "second_category_id": 6,
            "third_category_id": 65,
            "product_id": product,
            "dt": str(first + timedelta(day)),
            "sale_amount": 0.5 + day,
            "hours_sale": HOURS,
            "stock_hour6_22_cnt": day,
            "hours_stock_status": [0] * 24,
            "discount": 0.9,
            "holiday_flag": 0,
            "activity_flag": day % 2,
            "precpt": 1.25,
            "avg_temperature": 15.5,
            "avg_humidity": 73.0,
            "avg_wind_level": 1.9,
        }
        for store, product in pairs
        for day in range(days)
    ]
    return pl.DataFrame(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The publisher's repository: both files in `data`, stores and products not in order."""
    pairs = [(7, 38), (7, 4), (0, 38)]
    (tmp_path / "data").mkdir()
    published(FIRST, 3, pairs=pairs).write_parquet(tmp_path / "data" / "train.parquet")
    published(FIRST + timedelta(3), 2, pairs=pairs).write_parquet(tmp_path / "data" / "eval.parquet")
    return tmp_path


def test_both_files_become_one_table_in_order(folder: Path) -> None:
    result = read_any(folder)
    assert result.rows.select("store", "sku").unique(maintain_order=True).rows() == [
        ("0", "38"),
        ("7", "38"),
        ("7", "4"),
    ]
    assert result.rows["date"].head(5).to_list() == [FIRST + timedelta(day) for day in range(5)]
    assert result.rejects.is_empty()
    assert result.notes == ("rows in train.parquet 9, eval.parquet 6; lines are counted through in this order",)
    assert read_any(folder / "data").rows.equals(result.rows)


def test_every_column_finds_its_place_and_the_hours_stay_out(folder: Path) -> None:
    row = read_any(folder).rows.row(1, named=True)
    assert row == {
        "store": "0",
        "sku": "38",
        "date": FIRST + timedelta(1),
        "sales": 1.5,
        "discount": pytest.approx(0.9),
        "promotion": 1,
        "holiday": 0,
        "stockout_hours": 1.0,
        "category_1": "1",
        "category_2": "5",
        "category_3": "6",
        "category_4": "65",
        "city": "3",
        "x_humidity": 73.0,
        "x_rain": 1.25,
        "x_temperature": 15.5,
        "x_wind": pytest.approx(1.9),
    }


def test_one_file_is_read_by_itself_whatever_its_name(folder: Path) -> None:
    renamed = (folder / "data" / "eval.parquet").rename(folder / "last-week.parquet")
    assert read_any(renamed).rows.height == 6
    assert read_any(folder).rows.height == 9


def test_only_the_stores_named_are_read_and_an_unknown_one_is_a_problem(folder: Path) -> None:
    assert read_any(folder, stores=["0"]).rows["store"].unique().to_list() == ["0"]
    with pytest.raises(ImportProblem, match="no good row of store 8"):
        read_any(folder, stores=["0", "8"])


def test_a_bad_row_is_told_by_its_line_through_both_files(folder: Path) -> None:
    file = folder / "data" / "eval.parquet"
    spoilt = (
        pl.read_parquet(file)
        .with_row_index("row")
        .with_columns(sale_amount=pl.when(pl.col("row") == 1).then(-1.0).otherwise("sale_amount"))
    )
    spoilt.drop("row").write_parquet(file)
    result = read_any(folder)
    assert result.rows.height == 14
    assert result.rejects["line"].to_list() == [9 + 2]
    assert result.rejects["reason"][0].startswith("sales '-1.0' is not a number")


def test_a_missing_column_is_named(folder: Path) -> None:
    file = folder / "data" / "train.parquet"
    pl.read_parquet(file).drop("activity_flag").write_parquet(file)
    with pytest.raises(ImportProblem, match=r"train\.parquet: FreshRetailNet's column activity_flag is missing"):
        read_any(folder)


def test_a_file_damaged_behind_its_header_is_a_problem_that_names_it(folder: Path) -> None:
    file = folder / "data" / "train.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + b"\xff" * 400 + whole[404:])
    with pytest.raises(ImportProblem, match=r"train\.parquet: not a readable parquet file"):
        read_any(file)


def test_a_folder_of_something_else_is_still_taken_for_m5(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"nothing")
    with pytest.raises(ImportProblem, match="M5 is"):
        read_any(tmp_path)
