"""The M5 competition's own files, as their owner publishes them, as rows of the sales table.

- `sales_train_evaluation.csv`, else `…_validation.csv`: a line per product and store with the units of `d_1`, `d_2`, …;
  cat_id and dept_id become category_1 and category_2
- `calendar.csv`: a line per day `d_…` with its date, events, and SNAP days per state (x_snap of the store's own state)
- `sell_prices.csv`: a line per product, store and week with its price

The sales lines are put in the table's order first and then taken some hundred at a time, so that memory holds the
result, the prices and one block. All of M5 is 59 million days of sales: `stores` takes a part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import polars.selectors as cs

from common.progress import progress
from supermegaretail.columns import ImportProblem, check_header
from supermegaretail.csv_lines import read_header, read_lines, split_cells, well_formed
from supermegaretail.table import Import, checked, settled

SALES_FILES = ("sales_train_evaluation.csv", "sales_train_validation.csv")  # the first knows 28 days more
IDS = ("id", "item_id", "dept_id", "cat_id", "store_id", "state_id")
CALENDAR = ("date", "wm_yr_wk", "d", "event_name_1", "event_type_1", "event_name_2")
DAY = ("date", "week", "event", "event_type", "event_2")
PRICES = ("store_id", "item_id", "wm_yr_wk", "sell_price")
ROWS = ("store", "sku", "date", "sales", "price", *DAY[2:], "category_1", "category_2", "x_snap")
PLAN_DAYS = 28
LINES_PER_BLOCK = 400


@dataclass(frozen=True, slots=True)
class Files:
    """M5 in memory: sales lines in the table's order, one row per day (sold, then to plan), prices, what was bad."""

    series: pl.DataFrame
    days: pl.DataFrame
    days_to_plan: int
    prices: pl.DataFrame
    rejects: pl.DataFrame


def read_m5(folder: Path, *, stores: Collection[str] = ()) -> Import:
    """M5's files in `folder`, of all stores or those named; the 28 days after the last sales day become plans.

    A reject's line is the sales file's, unless its reason begins with the name of another file.
    """
    files = _open(folder, stores)
    columns = check_header(ROWS, where=str(folder))
    parts, unsold = [], 0
    with progress("reading sales lines", total=files.series.height) as reporter:
        for series in _blocks(files.series):
            part = checked(_rows(series, files), columns)
            sold = part.rows.filter(pl.col("date") >= _first_sold())
            unsold += part.rows.height - sold.height
            parts.append(replace(part, rows=sold))
            reporter.advance(series.height)
    table = settled(parts, columns)
    note = f"{unsold:,} days before a product's first sale or price in a store left out: not sold there yet"
    rejects = pl.concat([files.rejects, table.rejects]).sort("line", maintain_order=True)
    return Import(table.rows, rejects, notes=(note,))


def _open(folder: Path, stores: Collection[str]) -> Files:
    sales = next((folder / name for name in SALES_FILES if (folder / name).is_file()), folder / SALES_FILES[0])
    names = _header(sales, IDS)
    if tuple(names[: len(IDS)]) != IDS or len(names) == len(IDS):
        raise ImportProblem(f"{sales}: the header must be {', '.join(IDS)}, then the days d_1, d_2, …")
    days = _days(folder / "calendar.csv", names[len(IDS) :], sales)
    series, bad_series = _series(sales, cells=len(names))
    prices, bad_prices = _prices(folder / "sell_prices.csv")
    known = series["store"].unique().sort().to_list()
    if unknown := sorted(set(stores) - set(known)):
        raise ImportProblem(f"{sales}: no store {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = series.filter(pl.col("store").is_in(list(stores))) if stores else series
    days_to_plan = days.height - (len(names) - len(IDS))
    return Files(wanted, days, days_to_plan, prices, pl.concat([bad_series, bad_prices]))


def _header(path: Path, expected: tuple[str, ...]) -> list[str]:
    if not path.is_file():
        raise ImportProblem(f"{path}: missing; M5 is calendar.csv, sell_prices.csv and {' or '.join(SALES_FILES)}")
    names = read_header(path)
    if missing := [name for name in expected if name not in names]:
        raise ImportProblem(f"{path}: the header lacks {', '.join(missing)}")
    return names


def _days(path: Path, sold: list[str], sales: Path) -> pl.DataFrame:
    """The calendar's rows of the days in the sales header, then of the days to plan, in that order."""
    names = _header(path, CALENDAR)
    read = [split_cells(lines, names) for lines in read_lines(path)]
    calendar = pl.concat(cells for cells, _ in read).with_columns(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False), week=pl.col("wm_yr_wk").cast(pl.Int32, strict=False)
    )
    bad = calendar.filter(pl.any_horizontal(pl.col("date", "week", "d").is_null()) | pl.col("d").is_duplicated())
    lines = [*bad["line"], *(line for _, misfits in read for line in misfits["line"])]
    if lines:
        raise ImportProblem(f"{path}: line {min(lines)} is not one day with date, wm_yr_wk and a d_… of its own")
    if strangers := sorted(set(sold) - set(calendar["d"])):
        raise ImportProblem(f"{path}: lacks the day {strangers[0]} that {sales.name} names")
    past = pl.DataFrame({"d": sold}).join(calendar, on="d", how="left", maintain_order="left")
    ahead = calendar.filter(pl.col("date") > past["date"].max()).sort("date").head(PLAN_DAYS)
    events = {"event_name_1": "event", "event_type_1": "event_type", "event_name_2": "event_2"}
    return pl.concat([past, ahead.select(past.columns)]).rename(events).select(*DAY, cs.starts_with("snap_"))


def _series(path: Path, *, cells: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The sales lines (ids, and all units in one text) in the table's order; a second line of a series is bad."""
    parts = [well_formed(lines, cells=cells) for lines in read_lines(path)]
    text = pl.col("text").str.replace_all('"', "", literal=True)
    fields = text.str.splitn(",", len(IDS) + 1).struct.rename_fields([*IDS, "units"]).alias("fields")
    series = (
        pl.concat(lines for lines, _ in parts)
        .select("line", fields)
        .unnest("fields")
        .rename({"store_id": "store", "item_id": "sku", "cat_id": "category_1", "dept_id": "category_2"})
    )
    second = ~pl.struct("store", "sku").is_first_distinct()
    row = pl.concat_str("store", "sku", "units", separator=",").str.slice(0, 80)
    repeated = series.filter(second).select(
        "line", reason=pl.lit("a second line of this product in this store"), row=row
    )
    return series.filter(~second).sort("store", "sku"), pl.concat([*(misfits for _, misfits in parts), repeated])


def _prices(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One price per store, sku and week; lines without a sensible one, or with a second one, as rejects."""
    names = _header(path, PRICES)
    parts = [_typed_prices(lines, names) for lines in read_lines(path)]
    prices = pl.concat(good for good, _ in parts)
    second = ~pl.struct("store", "sku", "week").is_first_distinct()
    row = pl.concat_str("store", "sku", "week", "price", separator=",")
    repeated = prices.filter(second).select("line", reason=pl.lit("a second price of this week"), row=row)
    rejects = pl.concat([*(bad for _, bad in parts), repeated])
    return prices.filter(~second).drop("line"), rejects.with_columns(
        reason=pl.format("{}: {}", pl.lit(path.name), "reason")
    )


def _typed_prices(lines: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    cells, misfits = split_cells(lines, names)
    price = pl.col("sell_price").cast(pl.Float32, strict=False)
    ids = {"store_id": "store", "item_id": "sku"}
    typed = cells.rename(ids).with_columns(
        week=pl.col("wm_yr_wk").cast(pl.Int32, strict=False),
        price=pl.when(price.is_between(0, 1e6)).then(price),
    )
    lacks = pl.any_horizontal(pl.col("store", "sku", "week", "price").is_null())
    row = pl.concat_str(pl.col("store", "sku", "wm_yr_wk", "sell_price").fill_null(""), separator=",")
    bad = typed.filter(lacks).select("line", reason=pl.lit("no product, week or sensible price"), row=row)
    return typed.filter(~lacks).select("line", "store", "sku", "week", "price"), pl.concat([misfits, bad])


def _blocks(series: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for _, of_store in series.group_by("store", maintain_order=True):
        yield from of_store.iter_slices(LINES_PER_BLOCK)


def _rows(series: pl.DataFrame, files: Files) -> pl.DataFrame:
    """Some sales lines as raw rows, a day each: store by store, product by product, day by day."""
    units = pl.concat_str("units", pl.lit("," * files.days_to_plan)).str.split(",")
    long = series.with_columns(sales=units).drop("units").explode("sales")
    days = pl.concat([files.days] * series.height)
    prices = files.prices.filter(pl.col("store") == series["store"].first())
    snap = [pl.when(pl.col("state_id") == name[5:]).then(name) for name in days.columns if name.startswith("snap_")]
    return (
        pl.concat([long, days], how="horizontal")
        .join(prices, on=["store", "sku", "week"], how="left", maintain_order="left")
        .with_columns(x_snap=pl.coalesce(pl.lit(None), *snap))
        .select("line", *ROWS)
    )


def _first_sold() -> pl.Expr:
    """Per series the first day with a sale or a price: M5's zeros before it mean that the product was not there yet."""
    return pl.col("date").filter((pl.col("sales") > 0) | pl.col("price").is_not_null()).min().over("line")
