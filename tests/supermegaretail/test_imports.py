"""M5's own files, written here exactly as they are published, and what the user is told about an import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from supermegaretail.imports import ImportProblem, load_rejects, read_any, read_m5, save_rejects, summary
from supermegaretail.table import Import, clean

FIRST = date(2011, 1, 29)
LONG_OPEN = FIRST + timedelta(1_499)  # the last day of two stores
SOLD, KNOWN = 40, 75  # days of sales, and days that the calendar knows: more than the 28 to plan
EVENTS = "event_name_1,event_type_1,event_name_2,event_type_2"
CALENDAR = f"date,wm_yr_wk,weekday,wday,month,year,d,{EVENTS},snap_CA,snap_TX,snap_WI"
IDS = "id,item_id,dept_id,cat_id,store_id,state_id"


def day(number: int) -> date:
    return FIRST + timedelta(number - 1)


def week(number: int) -> int:
    return 11101 + (number - 1) // 7


def calendar_line(number: int) -> str:
    at = day(number)
    events = {9: "SuperBowl,Sporting,,", 12: "Easter,Cultural,OrthodoxEaster,Religious"}.get(number, ",,,")
    snap = f"{int(at.day <= 5)},{int(at.day % 2)},0"
    return f"{at},{week(number)},{at:%A},{(at.weekday() + 2) % 7 + 1},{at.month},{at.year},d_{number},{events},{snap}"


def sales_line(item: str, store: str, units: Sequence[object]) -> str:
    department = item[:-4]
    ids = f"{item}_{store}_evaluation,{item},{department},{department[:-2]},{store},{store[:2]}"
    return ",".join([ids, *map(str, units)])


def sales_header(days: int = SOLD) -> str:
    return ",".join([IDS, *(f"d_{number}" for number in range(1, days + 1))])


@pytest.fixture
def m5(tmp_path: Path) -> Path:
    """Three series: always there; released on day 15 in week 3; never there at all."""
    units = list(range(SOLD))
    files = {
        "calendar.csv": [CALENDAR, *map(calendar_line, range(1, KNOWN + 1))],
        "sell_prices.csv": [
            "store_id,item_id,wm_yr_wk,sell_price",
            *(f"TX_1,FOODS_3_001,{week(number)},{week(number) - 11100}.5" for number in range(1, KNOWN, 7)),
            *(f"CA_1,HOBBIES_1_002,{week(number)},9.97" for number in range(15, SOLD, 7)),
        ],
        "sales_train_evaluation.csv": [
            sales_header(),
            sales_line("FOODS_3_001", "TX_1", [*units]),
            sales_line("HOBBIES_1_002", "CA_1", [0] * 20 + [2] * 20),
            sales_line("FOODS_1_003", "CA_1", [0] * SOLD),
        ],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def edit(path: Path, change: Callable[[list[str]], object]) -> None:
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n")


def series(result: Import, store: str, sku: str) -> pl.DataFrame:
    return result.rows.filter((pl.col("store") == store) & (pl.col("sku") == sku))


def test_m5_becomes_one_row_per_day_with_price_events_and_the_states_own_snap_days(m5: Path) -> None:
    food = series(read_m5(m5), "TX_1", "FOODS_3_001")
    assert food["date"].to_list() == [day(number) for number in range(1, SOLD + 28 + 1)]
    assert food["sales"].to_list()[:SOLD] == list(range(SOLD))
    assert food["price"].to_list()[:8] == [1.5] * 7 + [2.5]
    assert food["x_snap"].to_list()[:4] == [1, 0, 1, 1]  # TX on odd days of the month: 29, 30, 31 January, 1 February
    easter = food.row(11, named=True)
    assert (easter["event"], easter["event_type"], easter["event_2"]) == ("Easter", "Cultural", "OrthodoxEaster")
    assert (easter["category_1"], easter["category_2"]) == ("FOODS", "FOODS_3")


def test_the_28_days_after_the_last_sales_are_plans_with_what_calendar_and_prices_know(m5: Path) -> None:
    plans = series(read_m5(m5), "TX_1", "FOODS_3_001").tail(28)
    assert plans["sales"].null_count() == 28
    assert plans["price"].null_count() == 0
    assert plans["date"].to_list() == [day(number) for number in range(SOLD + 1, SOLD + 29)]


def test_days_before_the_first_sale_or_price_are_left_out_and_the_user_is_told(m5: Path) -> None:
    result = read_m5(m5)
    assert series(result, "CA_1", "HOBBIES_1_002")["date"].min() == day(15)  # the first price; the first sale is day 21
    assert series(result, "CA_1", "FOODS_1_003").is_empty()
    assert result.notes == (
        f"{14 + SOLD + 28} days before a product's first sale or price in a store left out: not sold there yet",
    )


def test_the_validation_file_is_read_where_the_evaluation_file_is_missing(m5: Path) -> None:
    (m5 / "sales_train_evaluation.csv").rename(m5 / "sales_train_validation.csv")
    assert read_any(m5).rows.equals(read_any(m5 / "sales_train_validation.csv").rows)


def test_a_calendar_that_ends_early_gives_fewer_plans(m5: Path) -> None:
    edit(m5 / "calendar.csv", lambda lines: lines.__delitem__(slice(SOLD + 11, None)))
    assert read_m5(m5).rows["date"].max() == day(SOLD + 10)


def test_a_bad_number_of_units_is_reported_with_its_line_and_day_and_the_rest_is_kept(m5: Path) -> None:
    edit(
        m5 / "sales_train_evaluation.csv",
        lambda lines: lines.append(sales_line("FOODS_3_009", "TX_1", ["x", *[1] * 39])),
    )
    result = read_m5(m5)
    assert result.rejects.select("line", "reason").rows() == [(5, "sales 'x' is not a number from 0 to 1,000,000,000")]
    assert "2011-01-29" in result.rejects["row"][0]
    assert series(result, "TX_1", "FOODS_3_009").height == 39 + 28


def test_short_and_repeated_sales_lines_and_bad_prices_are_reported(m5: Path) -> None:
    edit(m5 / "sales_train_evaluation.csv", lambda lines: lines.extend([lines[1], "FOODS_3_001,3"]))
    edit(m5 / "sell_prices.csv", lambda lines: lines.extend(["TX_1,FOODS_3_001,11101,-1", lines[1], ",,,"]))
    result = read_m5(m5)
    assert sorted(result.rejects["reason"]) == [
        "2 cells where the header names 46",
        "a second line of this product in this store",
        "sell_prices.csv: a second price of this week",
        "sell_prices.csv: no product, week or sensible price",
        "sell_prices.csv: no product, week or sensible price",
    ]
    assert series(result, "TX_1", "FOODS_3_001").height == SOLD + 28


def test_quoted_m5_files_mean_the_same(m5: Path) -> None:
    plain = read_m5(m5).rows
    for path in m5.iterdir():
        text = path.read_text().replace("\n", '"\n"').replace(",", '","')
        path.write_text('"' + text.removesuffix('"'))
    assert read_m5(m5).rows.equals(plain)


def test_some_stores_of_m5_can_be_taken_alone(m5: Path) -> None:
    assert read_m5(m5, stores=["TX_1"]).rows["store"].unique().to_list() == ["TX_1"]
    with pytest.raises(ImportProblem, match="no store TX_9; there are CA_1, TX_1"):
        read_m5(m5, stores=["TX_9"])


@pytest.mark.parametrize("name", ["calendar.csv", "sell_prices.csv", "sales_train_evaluation.csv"])
def test_a_missing_or_foreign_m5_file_is_named(m5: Path, name: str) -> None:
    (m5 / name).write_text("a,b,c\n1,2,3\n")
    with pytest.raises(ImportProblem, match=rf"{name}: the header"):
        read_any(m5)
    (m5 / name).unlink()
    with pytest.raises(ImportProblem, match=rf"{name}: missing; M5 is"):
        read_any(m5)


def test_a_damaged_calendar_stops_the_import_at_its_line(m5: Path) -> None:
    edit(m5 / "calendar.csv", lambda lines: lines.__setitem__(3, lines[3].replace("2011", "x")))
    with pytest.raises(ImportProblem, match=r"calendar\.csv: line 4 is not one day"):
        read_m5(m5)


def test_a_day_of_sales_that_the_calendar_lacks_stops_the_import(m5: Path) -> None:
    edit(m5 / "calendar.csv", lambda lines: lines.__delitem__(5))
    with pytest.raises(ImportProblem, match="lacks the day d_5"):
        read_m5(m5)


def test_header_only_prices_leave_prices_unknown(m5: Path) -> None:
    edit(m5 / "sell_prices.csv", lambda lines: lines.__delitem__(slice(1, None)))
    assert read_m5(m5).rows["price"].null_count() == read_m5(m5).rows.height


def test_what_is_no_sales_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ImportProblem, match=r"notes\.txt: expected a \.parquet or \.csv file"):
        read_any(tmp_path / "notes.txt")
    with pytest.raises(ImportProblem, match="no such file or folder"):
        read_any(tmp_path / "nowhere")


def test_the_summary_tells_rows_series_span_and_rejects_by_reason(tmp_path: Path) -> None:
    lines = ["A,1,2026-01-01,3", "A,2,2026-01-02,", "A,1,2026-01-03,x", "A,1,2026-01-04,y", ",1,2026-01-05,-1"]
    (tmp_path / "sales.csv").write_text("\n".join(["store,sku,date,sales", *lines]))
    result = read_any(tmp_path / "sales.csv")
    assert summary(result).splitlines() == [
        "2 rows: 1 days of sales and 1 planned days",
        "2 series: 2 products in 1 stores",
        "2026-01-01 to 2026-01-01 sold; 2026-01-01 to 2026-01-02 with plans",
        "3 lines rejected:",
        "          3  sales is not a number from 0 to 1,000,000,000",
        "          1  store is missing",
        "  line 4: sales 'x' is not a number from 0 to 1,000,000,000 (A,1,2026-01-03,x)",
        "  line 5: sales 'y' is not a number from 0 to 1,000,000,000 (A,1,2026-01-04,y)",
        "  line 6: store is missing; sales '-1' is not a number from 0 to 1,000,000,000 (,1,2026-01-05,-1)",
    ]
    save_rejects(result, tmp_path / "rejects.csv")
    assert pl.read_csv(tmp_path / "rejects.csv")["line"].to_list() == [4, 5, 6]


def test_few_sales_weeks_after_all_others_are_rejected_and_plans_are_not(tmp_path: Path) -> None:
    sold = [f"A,{sku},{FIRST + timedelta(back)},3" for sku in range(6) for back in range(200)]
    (tmp_path / "sales.csv").write_text(
        "\n".join(["store,sku,date,sales", *sold, "A,1,2061-04-01,5", "A,1,2061-04-02,"])
    )
    result = read_any(tmp_path / "sales.csv")
    assert result.rejects.rows() == [(None, "weeks after all other sales: a wrong date?", "A,1,2061-04-01,5.0")]
    assert result.rows["date"].max() == date(2061, 4, 2)
    assert result.rows.height == len(sold) + 1
    assert "line ?: weeks after all other sales" in summary(result)


def reopening(tmp_path: Path, *, skus: int, sold_again: int) -> Import:
    """Two stores that sold for long, then five weeks of nothing, and a day on which one of them sells so much again."""
    return with_a_day_apart(tmp_path, "B", LONG_OPEN + timedelta(35), skus=skus, sold=sold_again)


def with_a_day_apart(
    tmp_path: Path, store: str, apart: date, *, skus: int = 40, sold: int = 40, today: date | None = None
) -> Import:
    """Two stores that sold for long, and a day weeks away on which `store` sells so many products."""
    days, usual = [LONG_OPEN - timedelta(back) for back in range(1_500)], [f"p{place}" for place in range(skus)]
    stores = pl.DataFrame({"store": ["A", "B"]}).join(pl.DataFrame({"sku": usual}), how="cross")
    stores = stores.join(pl.DataFrame({"date": days}), how="cross")
    first = pl.DataFrame({"store": store, "sku": usual[:sold], "date": apart})
    pl.concat([stores, first]).with_columns(sales=pl.lit(3.0)).write_parquet(tmp_path / "sales.parquet")
    return read_any(tmp_path / "sales.parquet", today=today)


@pytest.mark.parametrize(("skus", "sold_again"), [(40, 40), (40, 25), (5, 4)])
def test_the_first_day_of_a_store_that_reopens_is_taken_in(tmp_path: Path, skus: int, sold_again: int) -> None:
    result = reopening(tmp_path, skus=skus, sold_again=sold_again)
    assert result.rejects.is_empty()
    assert result.rows["date"].max() == LONG_OPEN + timedelta(35)


@pytest.mark.parametrize(("skus", "sold_again"), [(40, 15), (5, 2), (1, 1)])
def test_a_few_rows_are_no_store_that_reopens(tmp_path: Path, skus: int, sold_again: int) -> None:
    result = reopening(tmp_path, skus=skus, sold_again=sold_again)
    assert result.rejects.height == sold_again
    assert result.rows["date"].max() == LONG_OPEN


@pytest.mark.parametrize("sold", [3, 40])
def test_a_store_that_was_never_open_before_does_not_open_again(tmp_path: Path, sold: int) -> None:
    result = with_a_day_apart(tmp_path, "C", LONG_OPEN + timedelta(35), sold=sold)
    assert (result.rejects.height, result.rows["date"].max()) == (sold, LONG_OPEN)


@pytest.mark.parametrize(("days_ahead", "rejected"), [(1, 0), (2, 40)])
def test_no_store_opens_again_on_a_day_that_no_clock_has_reached(
    tmp_path: Path, days_ahead: int, rejected: int
) -> None:
    apart = LONG_OPEN + timedelta(365)
    result = with_a_day_apart(tmp_path, "A", apart, today=apart - timedelta(days_ahead))
    assert result.rejects.height == rejected
    assert result.rows["date"].max() == (LONG_OPEN if rejected else apart)


def test_an_import_of_few_days_far_apart_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("store,sku,date,sales\nA,1,2026-01-01,3\nA,1,2026-06-01,4\n")
    assert read_any(tmp_path / "sales.csv").rows.height == 2


def test_the_rejects_of_the_last_import_are_found_again_and_gone_after_a_clean_one(tmp_path: Path) -> None:
    rows = {"store": ["A", "B"], "sku": ["1", "1"], "date": ["2026-01-01", "x"], "sales": [1.0, 2.0]}
    path = tmp_path / "rejects.csv"
    assert load_rejects(path) is None
    save_rejects(clean(pl.DataFrame(rows)), path)
    found = load_rejects(path)
    assert found is not None
    assert found["reason"].to_list() == ["date 'x' is not a day (YYYY-MM-DD) from 1990-01-01 to 2100-12-31"]
    path.write_text("what,somebody,made\n1,2,3\n")
    assert load_rejects(path) is None
    save_rejects(clean(pl.DataFrame(rows).head(1)), path)
    assert not path.exists()


def test_the_summary_of_an_empty_import_says_so() -> None:
    empty = clean(pl.DataFrame(schema={"store": pl.String, "sku": pl.String, "date": pl.Date, "sales": pl.Float32}))
    assert summary(empty).splitlines()[2:] == ["no day sold; no day with plans", "no line rejected"]
