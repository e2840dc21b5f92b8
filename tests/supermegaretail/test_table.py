"""The sales table takes in what is good and tells of everything else."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supermegaretail.columns import COLUMNS, ImportProblem, columns_text
from supermegaretail.table import BLOCK_ROWS, Import, clean, load_table, merge, read_table, save_table

HEADER = "store,sku,date,sales,price,discount,promotion,holiday,event,stockout_hours,category_1,x_rain"
GOOD = "A,1,2026-01-01,3,1.5,0.9,1,0,Easter,2,fresh,-4.5"


def imported(tmp_path: Path, *lines: str, header: str = HEADER) -> Import:
    path = tmp_path / "sales.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return read_table(path)


def reasons(result: Import) -> dict[int, str]:
    return dict(result.rejects.select("line", "reason").iter_rows())


def rows(**columns: Sequence[object] | pl.Series) -> pl.DataFrame:
    height = max(len(values) for values in columns.values())
    key = {"store": ["A"] * height, "sku": ["1"] * height, "date": [date(2026, 1, 1 + day) for day in range(height)]}
    return pl.DataFrame({**key, **columns}, strict=False)


def test_a_good_row_has_the_types_that_the_columns_promise(tmp_path: Path) -> None:
    row = imported(tmp_path, GOOD).rows
    assert row.row(0) == ("A", "1", date(2026, 1, 1), 3, 1.5, pytest.approx(0.9), 1, 0, "Easter", 2, "fresh", -4.5)
    assert row.schema["sales"] == pl.Float32
    assert row.schema["promotion"] == pl.Int8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"store": " "}, "store is missing"),
        ({"sku": ""}, "sku is missing"),
        ({"sku": "a\x00b"}, "sku 'a\x00b' is not readable text"),
        ({"sku": "a" * 201}, "is not readable text of at most 200 characters"),
        ({"date": ""}, "date is missing"),
        ({"date": "2026-02-30"}, "date '2026-02-30' is not a day"),
        ({"date": "01/02/2026"}, "date '01/02/2026' is not a day"),
        ({"date": "2026-01-01 13:00:00"}, "is not a day"),
        ({"date": "2206-01-01"}, "date '2206-01-01' is not a day (YYYY-MM-DD) from 1990-01-01 to 2100-12-31"),
        ({"sales": "three"}, "sales 'three' is not a number from 0 to 1,000,000,000"),
        ({"sales": "NaN"}, "sales 'NaN' is not a number"),
        ({"sales": "inf"}, "sales 'inf' is not a number"),
        ({"sales": "1e308"}, "sales '1e308' is not a number"),
        ({"sales": "-1"}, "sales '-1' is not a number"),
        ({"sales": "1,5"}, "13 cells where the header names 12"),
        ({"price": "-0.01"}, "price '-0.01' is not a number"),
        ({"discount": "75"}, "discount '75' is not a number from 0 to 2"),
        ({"promotion": "2"}, "promotion '2' is not 0 or 1"),
        ({"stockout_hours": "25"}, "stockout_hours '25' is not a number from 0 to 24"),
        ({"x_rain": "wet"}, "x_rain 'wet' is not a number"),
    ],
)
def test_a_bad_row_is_reported_with_its_line_and_a_plain_reason(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | change
    result = imported(tmp_path, GOOD, ",".join(cells.values()), "B" + GOOD[1:])
    assert list(reasons(result)) == [3]
    assert reason in reasons(result)[3]
    assert result.rows["store"].to_list() == ["A", "B"]


def test_a_row_with_several_faults_is_reported_once_with_all_of_them(tmp_path: Path) -> None:
    result = imported(tmp_path, "A,,2026-01-01,x,,,,,,,,")
    assert reasons(result) == {2: "sku is missing; sales 'x' is not a number from 0 to 1,000,000,000"}
    assert result.rejects["row"].to_list() == ["A,,2026-01-01,x,,,,,,,,"]


def test_blank_short_long_and_ill_quoted_lines_are_reported_and_do_not_touch_their_neighbours(tmp_path: Path) -> None:
    quoted = 'B,1,2026-01-01,3,,,,,"Mother\'s ""day"", US",,,'
    result = imported(
        tmp_path, GOOD, "", "A,1,2026-01-02", GOOD + ",", quoted, 'C,1,2026-01-01,3,,,,,"Easter,,,', "D" + GOOD[1:]
    )
    assert reasons(result) == {
        3: "blank line",
        4: "3 cells where the header names 12",
        5: "13 cells where the header names 12",
        7: "stray quotation mark",
    }
    assert result.rows["store"].to_list() == ["A", "B", "D"]
    assert result.rows["event"].to_list() == ["Easter", 'Mother\'s "day", US', "Easter"]


def test_a_second_row_of_the_same_day_is_reported_and_the_first_stays(tmp_path: Path) -> None:
    result = imported(tmp_path, "B" + GOOD[1:], GOOD, GOOD.replace(",3,", ",4,"), GOOD)
    assert reasons(result) == {
        4: "contradicts line 3: same store, sku and date, other values",
        5: "repeats line 3",
    }
    assert result.rows["sales"].to_list() == [3, 3]


def test_missing_values_are_unknown_and_a_row_without_sales_is_a_plan(tmp_path: Path) -> None:
    result = imported(tmp_path, "A,1,2026-01-01,,,,,,,,,")
    assert result.rejects.is_empty()
    assert result.rows.row(0)[3:] == (None,) * 9


def test_a_file_of_plans_needs_no_sales_column(tmp_path: Path) -> None:
    result = imported(tmp_path, "A,1,2026-01-01,2.5", header="store,sku,date,price")
    assert result.rows.row(0) == ("A", "1", date(2026, 1, 1), None, 2.5)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("store,sku,date,sales,units,colour", r"unknown column 'units', 'colour'; the table knows store, sku"),
        ("store,sku,sales", r"missing column 'date'"),
        ("store,sku,date,sales,sales", r"repeated column 'sales'"),
        ("store;sku;date;sales", r"unknown column 'store;sku;date;sales'"),
        ("", r"the first line must name the columns"),
    ],
)
def test_a_wrong_header_is_a_problem_that_names_file_and_column(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(ImportProblem, match=r"sales\.csv: " + message):
        imported(tmp_path, header=header)


def test_a_file_with_windows_line_ends_a_byte_order_mark_and_foreign_bytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(
        b"\xef\xbb\xbfstore,sku,date,sales\r\nA,1,2026-01-01,1\r\nA,\xe9,2026-01-01,1\r\nA,\xc3\xa9,2026-01-01,1"
    )
    result = read_table(path)
    assert result.rows["sku"].to_list() == ["1", "é"]
    assert list(reasons(result)) == [3]


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    result = imported(tmp_path)
    assert result.rows.is_empty()
    assert result.rows.columns == HEADER.split(",")


def test_values_of_neighbouring_types_are_taken_as_what_they_mean() -> None:
    frame = rows(
        sales=[1, 2],
        promotion=[True, False],
        stockout_hours=pl.Series([0, 16], dtype=pl.UInt8),
        category_1=pl.Series([7, 65535], dtype=pl.UInt16),
        category_2=[5.0, None],
        city=pl.Series(["x", "y"], dtype=pl.Categorical),
        event=pl.Series([None, None], dtype=pl.Null),
    ).with_columns(pl.col("date").cast(pl.Datetime))
    result = clean(frame)
    assert result.rejects.is_empty()
    assert result.rows.select("date", "promotion", "category_1", "category_2", "city").rows() == [
        (date(2026, 1, 1), 1, "7", "5", "x"),
        (date(2026, 1, 2), 0, "65535", None, "y"),
    ]


def test_text_flags_and_midnights_are_understood(tmp_path: Path) -> None:
    header = "store,sku,date,sales,promotion,holiday"
    result = imported(
        tmp_path, "A,1,2026-01-01 00:00:00,1,True,false", "A,1,2026-01-02T00:00:00Z,1,0,1.0", header=header
    )
    assert result.rows.select("date", "promotion", "holiday").rows() == [
        (date(2026, 1, 1), 1, 0),
        (date(2026, 1, 2), 0, 1),
    ]


def test_a_column_that_holds_lists_is_a_problem_that_names_it() -> None:
    with pytest.raises(ImportProblem, match="column 'sales' holds List"):
        clean(rows(sales=[[1.0], [2.0]]))


def test_not_a_number_in_a_parquet_file_is_rejected_and_not_taken_for_a_plan(tmp_path: Path) -> None:
    rows(sales=[1.0, float("nan"), None, -1.0]).write_parquet(tmp_path / "sales.parquet")
    result = read_table(tmp_path / "sales.parquet")
    assert list(reasons(result)) == [2, 4]
    assert result.rows["sales"].to_list() == [1, None]


def test_lines_are_counted_through_all_blocks_of_a_large_parquet_file(tmp_path: Path) -> None:
    height = BLOCK_ROWS + 10
    many = pl.DataFrame(
        {"store": "A", "sku": pl.int_range(height, eager=True).cast(pl.String), "date": date(2026, 1, 1)}
    )
    sales = pl.when(pl.int_range(height) == height - 2).then(-1).otherwise(1)
    many.with_columns(sales=sales).write_parquet(tmp_path / "sales.parquet")
    result = read_table(tmp_path / "sales.parquet")
    assert list(reasons(result)) == [height - 1]
    assert result.rows.height == height - 1
    assert result.rows["sku"].is_sorted()


def test_a_damaged_or_missing_file_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "sales.parquet").write_bytes(b"PAR1 but not really PAR1")
    for name in ("sales.parquet", "missing.parquet", "missing.csv"):
        with pytest.raises(ImportProblem, match=name):
            read_table(tmp_path / name)
    with pytest.raises(ImportProblem, match=r"sales\.parquet"):
        load_table(tmp_path / "sales.parquet")


def test_a_saved_table_is_loaded_as_it_was(tmp_path: Path) -> None:
    table = clean(rows(sales=[1, None])).rows
    save_table(table, tmp_path / "new" / "sales.parquet")
    assert load_table(tmp_path / "new" / "sales.parquet").equals(table)


def test_a_failed_save_leaves_the_old_table_and_no_litter(tmp_path: Path) -> None:
    table = clean(rows(sales=[1])).rows
    save_table(table, tmp_path / "sales.parquet")
    unwritable = pl.DataFrame({"store": [object()]})
    with pytest.raises(pl.exceptions.PolarsError):
        save_table(unwritable, tmp_path / "sales.parquet")
    assert load_table(tmp_path / "sales.parquet").equals(table)
    assert [path.name for path in tmp_path.iterdir()] == ["sales.parquet"]


def test_a_parquet_file_of_other_types_is_not_loaded_as_a_table(tmp_path: Path) -> None:
    rows(sales=["1"]).write_parquet(tmp_path / "sales.parquet")
    with pytest.raises(ImportProblem, match="not a sales table"):
        load_table(tmp_path / "sales.parquet")


def test_merging_takes_the_later_value_and_keeps_what_it_does_not_know() -> None:
    old = clean(rows(sales=[1, 2, None], price=[5, 6, 7])).rows
    new = clean(rows(sales=[None, 9], event=["Easter", None])).rows
    merged = merge(old, new)
    assert merged.columns == ["store", "sku", "date", "sales", "price", "event"]
    assert merged.select("sales", "price", "event").rows() == [(1, 5, "Easter"), (9, 6, None), (None, 7, None)]


def test_merging_keeps_the_table_sorted_and_unique_whatever_comes() -> None:
    old = clean(rows(sales=[1, 2])).rows
    new = clean(rows(sales=[3, 4, 5]).with_columns(store=pl.Series(["B", "A", "A"]))).rows
    merged = merge(old, new)
    assert merged.equals(merged.sort("store", "sku", "date"))
    assert merged["sales"].to_list() == [1, 4, 5, 3]
    assert merge(None, new).equals(new)
    assert merge(merged, new).equals(merged)


def test_every_column_of_the_table_is_told_to_people() -> None:
    assert all(column.name in columns_text() and column.meaning in columns_text() for column in COLUMNS)


CELLS = st.sampled_from(
    ["A", "B", "", " ", "1", "2026-01-01", "2026-01-02", "20260103", "NaN", "-1", "x", '"A"', '"', '"a,b"', "\r", "é"]
)
LINES = st.one_of(
    st.tuples(st.sampled_from("AB"), st.sampled_from("12"), st.sampled_from(["2026-01-01", "2026-01-02"]), CELLS).map(
        ",".join
    ),
    st.lists(CELLS, max_size=6).map(",".join),
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=12),
)


@settings(deadline=None, max_examples=150)
@given(lines=st.lists(LINES, min_size=1, max_size=12))
def test_every_line_is_either_a_row_or_a_reject_and_exactly_once(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "sales.csv"
    path.write_bytes("\n".join(["store,sku,date,sales", *lines, ""]).encode())
    result = read_table(path)
    rejected = result.rejects["line"].to_list()
    kept = [line for number, line in enumerate(lines, 2) if number not in rejected]
    keys = {tuple(cell.strip() for cell in next(csv.reader([line]))[:3]) for line in kept}
    assert len(set(rejected)) == len(rejected)
    assert len(rejected) + result.rows.height == len(lines)
    assert keys == {(store, sku, str(day)) for store, sku, day in result.rows.select("store", "sku", "date").rows()}


def test_row_numbers_that_pandas_wrote_into_a_parquet_file_are_no_column(tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    row = {"store": ["a"], "sku": ["b"], "date": [date(2026, 6, 1)], "sales": [1.0], "__index_level_0__": [17]}
    pl.DataFrame(row).write_parquet(path)
    assert read_table(path).rows.columns == ["store", "sku", "date", "sales"]
