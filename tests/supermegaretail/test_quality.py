"""The report on a table of sales: silent on a sound chain, and loud on each way in which a feed breaks."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from supermegaretail.demo_data import demo_table
from supermegaretail.quality.check import check
from supermegaretail.quality.findings import Report
from supermegaretail.quality.gate import QualityStop, judged
from supermegaretail.quality.show import show, show_briefly
from supermegaretail.table import clean

LAST_DAY = date(2026, 6, 28)
TODAY = LAST_DAY + timedelta(1)
DAYS = 120
STORES, PRODUCTS = 6, 8
ALL, NONE = pl.lit(True), pl.lit(None)


def sound_table() -> pl.DataFrame:
    """Six stores with eight products each: 120 days of sales and 28 planned days, nothing wrong with them."""
    dice = np.random.default_rng(1)
    rows = []
    for place in range(STORES * PRODUCTS):
        for ahead in range(1 - DAYS, 29):
            day = LAST_DAY + timedelta(ahead)
            promotion = int((day.toordinal() // 7 + place) % 5 == 0)
            sales = float(dice.poisson(12 + 5 * (day.weekday() >= 5) + 8 * promotion))
            store, sku = f"s{place // PRODUCTS}", f"p{place % PRODUCTS}"
            known = sales if ahead <= 0 else None
            rows.append((store, sku, day, known, 2.5, 0.8 if promotion else 1.0, promotion, 0, 0, "food"))
    names = [
        "store",
        "sku",
        "date",
        "sales",
        "price",
        "discount",
        "promotion",
        "holiday",
        "stockout_hours",
        "category_1",
    ]
    return clean(pl.DataFrame(rows, schema=names, orient="row", schema_overrides={"sales": pl.Float32})).rows


@pytest.fixture(scope="module")
def sound() -> pl.DataFrame:
    return sound_table()


def last(days: int) -> pl.Expr:
    return pl.col("date") > LAST_DAY - timedelta(days)


def where(rows: pl.Expr, column: str, value: object) -> pl.Expr:
    """The column with another value in these rows, if they have sales."""
    there = rows & pl.col("sales").is_not_null()
    new = value if isinstance(value, pl.Expr) else pl.lit(value)
    return pl.when(there).then(new).otherwise(pl.col(column)).alias(column)


def report(table: pl.DataFrame) -> Report:
    return check(table, today=TODAY)


def levels(found: Report) -> dict[str, str]:
    return {finding.check: finding.level for finding in found.findings}


def test_a_sound_chain_gives_no_finding_at_all(sound: pl.DataFrame) -> None:
    assert report(sound).findings == ()
    assert report(sound).verdict == "fine"


def test_the_demo_chain_is_fine_whatever_its_seed() -> None:
    table = demo_table(seed=11, stores=3, products=30, days=400)
    assert report(table).verdict == "fine"


FEW = pl.col("sku").is_in(["p0", "p1", "p2", "p3"])  # half of the series
BROKEN = {
    "a last week of zeros": (where(last(7), "sales", 0.0), {"missing.sales", "drift.level"}),
    "half of the series at zero": (where(last(7) & FEW, "sales", 0.0), {"missing.sales"}),
    "ten times the sales overnight": (where(last(1), "sales", pl.col("sales") * 10), {"drift.level"}),
    "ten times the sales for a month": (
        where(last(28), "sales", pl.col("sales") * 10),
        {"drift.level"},
    ),
    "a tenth of the sales for a week": (where(last(7), "sales", pl.col("sales") / 10), {"drift.level"}),
    "no promotion known in the last month": (where(last(28), "promotion", NONE), {"missing.column"}),
    "promotions all 0 in the last month": (where(last(28), "promotion", 0), {"missing.column"}),
    "no discount in the last month": (where(last(28), "discount", 1.0), {"missing.column"}),
    "no price in the last month": (where(last(28), "price", NONE), {"missing.column"}),
    "sales on days without any stock": (where(ALL, "stockout_hours", 24), {"impossible.stockout", "stockouts"}),
    "sold out for most of a month": (where(last(28), "stockout_hours", 14), {"stockouts"}),
    "prices that are all 0": (where(ALL, "price", 0.0), {"impossible.free"}),
    "percentages for discounts": (where(ALL, "discount", 1.75), {"impossible.discount"}),
    "negative sales": (where(pl.col("sku") == "p0", "sales", -1.0), {"impossible.sales"}),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_feed_is_stopped_by_the_check_for_it(sound: pl.DataFrame, fault: str) -> None:
    change, expected = BROKEN[fault]
    stopped = {finding.check for finding in report(sound.with_columns(change)).of("stop")}
    assert stopped == expected


@pytest.mark.parametrize("days", [7, 40])
def test_half_of_the_series_without_reports_stop_a_training(sound: pl.DataFrame, days: int) -> None:
    found = report(sound.filter(~(last(days) & FEW & pl.col("sales").is_not_null())))
    stop = next(finding for finding in found.of("stop") if finding.check == "missing.series")
    assert stop.text.startswith("24 of 48 series (50 %) have had no report for 7 days or more before 2026-06-28")
    assert stop.examples[0].date == LAST_DAY - timedelta(days)


def test_a_last_week_that_only_one_series_reports_stops_a_training(sound: pl.DataFrame) -> None:
    one = (pl.col("store") == "s0") & (pl.col("sku") == "p0")
    found = report(sound.filter(one | ~last(7) | pl.col("sales").is_null()))
    assert "missing.series" in {finding.check for finding in found.of("stop")}


def test_what_is_not_a_number_is_told_and_taken_for_missing(sound: pl.DataFrame) -> None:
    found = report(sound.with_columns(where(pl.col("sku") == "p0", "sales", float("nan"))))
    assert levels(found)["impossible.number"] == "stop"
    assert "NaN" not in json.dumps(found.as_json(), allow_nan=False)


def test_a_feed_that_leaves_out_days_without_sales_is_stopped_and_asked_about_them(sound: pl.DataFrame) -> None:
    thin = sound.with_row_index("row").filter((pl.col("row") % 7 < 3) | pl.col("sales").is_null()).drop("row")
    (finding,) = report(thin).of("stop")
    assert finding.check == "missing.days"
    assert finding.text.endswith("were days without sales left out?")


def test_days_on_which_the_whole_store_was_closed_are_not_missing(sound: pl.DataFrame) -> None:
    assert report(sound.filter(pl.col("date").dt.weekday() != 7)).verdict == "fine"


def test_a_late_store_is_a_warning_that_names_it(sound: pl.DataFrame) -> None:
    late = ~(last(3) & (pl.col("store") == "s2") & pl.col("sales").is_not_null())
    (finding,) = report(sound.filter(late)).of("warn")
    assert (finding.check, finding.examples[0].store) == ("late.stores", "s2")
    assert finding.examples[0].date == LAST_DAY - timedelta(3)


def test_one_store_that_leaps_is_a_warning(sound: pl.DataFrame) -> None:
    found = report(sound.with_columns(where(last(28) & (pl.col("store") == "s1"), "sales", pl.col("sales") * 8)))
    assert (found.verdict, levels(found)["drift.stores"]) == ("warn", "warn")


def test_half_of_many_stores_that_leap_stop_a_training(sound: pl.DataFrame) -> None:
    many = sound.with_columns(store=pl.concat_str("store", "sku")).sort("store", "sku", "date")
    found = report(many.with_columns(where(last(28) & FEW, "sales", pl.col("sales") * 8)))
    assert levels(found)["drift.stores"] == "stop"


def test_a_leap_long_ago_only_warns(sound: pl.DataFrame) -> None:
    found = report(sound.with_columns(where(~last(80), "sales", pl.col("sales") * 10)))
    assert (found.verdict, levels(found)["drift.level"]) == ("warn", "warn")


def test_christmas_is_no_fault_even_as_the_last_days_of_all(sound: pl.DataFrame) -> None:
    for days in (pl.col("date") == LAST_DAY - timedelta(10), last(2)):
        assert report(sound.with_columns(where(days, "sales", 0.0))).verdict == "fine"


@pytest.mark.parametrize(("wrong", "level"), [(date(1999, 1, 1), "warn"), (date(2062, 6, 28), "stop")])
def test_a_wrong_date_moves_no_other_check_and_stops_a_training_where_it_is_the_last(
    sound: pl.DataFrame, wrong: date, level: str
) -> None:
    lost = sound.head(2).with_columns(date=pl.Series([date(1998, 1, 1), wrong]))
    found = report(pl.concat([lost, sound]).sort("store", "sku", "date"))
    assert levels(found) == {"dates.apart": level}
    assert found.last_day == LAST_DAY


def test_days_of_which_each_lies_weeks_from_the_next_are_a_chain(sound: pl.DataFrame) -> None:
    first = date(1990, 1, 1)
    sparse = (
        sound.head(1)
        .select(pl.exclude("date"))
        .join(pl.DataFrame({"date": [first + timedelta(30 * step) for step in range(1_200)]}), how="cross")
    )
    assert report(sparse).first_day == first


def test_sales_in_the_future_are_a_warning_as_the_clock_may_be_wrong(sound: pl.DataFrame) -> None:
    assert levels(check(sound, today=LAST_DAY - timedelta(5))) == {"dates.future": "warn"}


def test_a_huge_value_warns_and_stops_once_it_outweighs_the_rest(sound: pl.DataFrame) -> None:
    day = (pl.col("date") == LAST_DAY - timedelta(60)) & (pl.col("store") == "s0") & (pl.col("sku") == "p0")
    assert levels(report(sound.with_columns(where(day, "sales", 2_000.0)))) == {"impossible.huge": "warn"}
    assert report(sound.with_columns(where(day, "sales", 1e6))).of("stop")[0].check == "impossible.huge"


def test_a_fraction_is_told_where_whole_units_are_sold_and_nowhere_else(sound: pl.DataFrame) -> None:
    day = (pl.col("date") == LAST_DAY - timedelta(60)) & (pl.col("sku") == "p0")
    assert "impossible.fraction" in levels(report(sound.with_columns(where(day, "sales", 3.5))))
    by_weight = sound.with_columns(pl.col("sales") * 0.37)
    assert report(by_weight).findings == ()


def test_plans_that_lack_an_input_are_a_warning_and_no_plans_a_note(sound: pl.DataFrame) -> None:
    planned = pl.col("sales").is_null()
    unplanned = sound.with_columns(pl.when(~planned).then("promotion").alias("promotion"))
    assert levels(report(unplanned)) == {"missing.plans": "warn"}
    assert levels(report(sound.filter(~planned))) == {"missing.plans": "note"}


def test_a_moved_price_is_a_warning_and_moved_weather_a_note(sound: pl.DataFrame) -> None:
    warm = sound.with_columns(x_temperature=pl.when(last(28)).then(25.0).otherwise(10.0).cast(pl.Float32))
    assert levels(report(warm)) == {"drift.column": "note"}
    assert levels(report(sound.with_columns(where(last(28), "price", 3.5)))) == {"drift.column": "warn"}


def test_refused_rows_are_told_with_their_duplicates(sound: pl.DataFrame) -> None:
    reasons = ["repeats line 2", "contradicts line 3: same store, sku and date, other values", "store is missing"]
    few, most = (pl.DataFrame({"reason": reasons * times}) for times in (10, 2_000))
    (finding,) = check(sound, rejects=few, today=TODAY).findings
    assert finding.level == "warn"
    assert finding.text.endswith("20 of them as duplicates, 10 with other values than the row that was kept")
    assert check(sound, rejects=most, today=TODAY).verdict == "stop"


def test_a_table_of_plans_alone_or_with_repeated_rows_is_stopped(sound: pl.DataFrame) -> None:
    assert [found.check for found in report(sound.filter(pl.col("sales").is_null())).of("stop")] == ["missing.all"]
    assert report(sound.head(0)).verdict == "stop"
    twice = pl.concat([sound, sound.head(1)]).sort("store", "sku", "date")
    assert levels(report(twice))["rows.repeated"] == "stop"


def test_a_chain_that_reports_nothing_but_zeros_is_stopped(sound: pl.DataFrame) -> None:
    assert levels(report(sound.with_columns(where(ALL, "sales", 0.0))))["missing.all"] == "stop"


def test_few_series_warn_where_many_would_stop(sound: pl.DataFrame) -> None:
    few = sound.filter(pl.col("store") == "s0")
    found = report(few.filter(~(last(7) & FEW & pl.col("sales").is_not_null())))
    assert levels(found)["missing.series"] == "warn"


def test_a_short_history_without_a_month_before_is_judged_by_what_there_is(sound: pl.DataFrame) -> None:
    assert report(sound.filter(last(5))).verdict == "fine"


def test_the_ranges_tell_ends_middle_and_what_is_missing(sound: pl.DataFrame) -> None:
    ranges = {row["column"]: row for row in report(sound).ranges.to_dicts()}
    assert ranges["price"] == {
        **dict.fromkeys(("min", "q01", "q50", "q99", "max"), 2.5),
        "column": "price",
        "missing": 0.0,
        "distinct": None,
    }
    assert ranges["store"]["distinct"] == STORES
    assert ranges["sales"]["missing"] == pytest.approx(28 / (DAYS + 28))


def test_the_report_is_plain_json_with_examples_and_days(sound: pl.DataFrame) -> None:
    broken = sound.with_columns(where(ALL, "stockout_hours", 24))
    told = json.loads(json.dumps(report(broken).as_json(), allow_nan=False))
    assert (told["verdict"], told["last_day"]) == ("stop", "2026-06-28")
    assert told["findings"][0]["examples"][0] == {"store": "s0", "sku": "p0", "date": "2026-03-01", "value": 24.0}


def test_the_terminal_shows_gravity_sentence_and_verdict(sound: pl.DataFrame) -> None:
    broken = report(sound.with_columns(where(last(7), "sales", 0.0)))
    for printer in (show, show_briefly):
        console = Console(record=True, width=120, file=None, quiet=False, force_terminal=False)
        with console.capture() as captured:
            printer(broken, console)
        text = captured.get()
        assert "missing.sales" in text
        assert "stopped: no model should be trained on this" in text
    console = Console(width=120)
    with console.capture() as captured:
        show_briefly(report(sound), console)
    assert captured.get() == "data quality fine: nothing that a training should fear (no finding)\n"


def test_a_stop_needs_a_reason_which_is_remembered(sound: pl.DataFrame) -> None:
    broken = report(sound.with_columns(where(last(28), "promotion", NONE)))
    for nothing in (None, " "):
        with pytest.raises(QualityStop, match=r"stopped the training \(missing\.column\)"):
            judged(broken, despite=nothing)
    assert judged(broken, despite="none in June") == {"stops": ["missing.column"], "despite": "none in June"}
    assert judged(report(sound), despite="just in case") == {"stops": []}
