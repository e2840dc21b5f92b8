"""Whatever sales a user has, as one Import, and what to tell them about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from supermegaretail.columns import ImportProblem
from supermegaretail.freshretailnet import files_of, read_freshretailnet
from supermegaretail.m5 import SALES_FILES, read_m5
from supermegaretail.quality.facts import main_part
from supermegaretail.quality.limits import LIMITS
from supermegaretail.table import Import, read_table

__all__ = ["ImportProblem", "load_rejects", "read_any", "read_m5", "save_rejects", "summary"]

EXAMPLES = 5
LATER = "weeks after all other sales: a wrong date?"


def read_any(path: Path, *, stores: Sequence[str] = (), today: date | None = None) -> Import:
    """Reads M5's or FreshRetailNet's own files, or a parquet or CSV file in the table's own columns.

    With `stores` only those: the whole of M5 takes 7 GB of memory. What cannot be taken in at all is an ImportProblem.
    The few sales that lie weeks after all others are rejects; those of a store that opens again are not, up to `today`.
    """
    return _without_later(_read(path, stores), today or datetime.now(UTC).date())


def _read(path: Path, stores: Sequence[str]) -> Import:
    if fresh := files_of(path):
        return read_freshretailnet(fresh, stores=stores)
    if path.is_dir() or path.name in SALES_FILES:
        return read_m5(path if path.is_dir() else path.parent, stores=stores)
    if stores:
        raise ImportProblem(f"{path}: stores can be chosen only from M5's and FreshRetailNet's files")
    if not path.is_file():
        raise ImportProblem(f"{path}: no such file or folder")
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise ImportProblem(f"{path}: expected a .parquet or .csv file, or a folder with M5's or FreshRetailNet's")
    return read_table(path)


def _without_later(imported: Import, today: date) -> Import:
    """The last day of sales is what everything is forecast from: one wrong date would move the whole chain."""
    sold = imported.rows.lazy().filter(pl.col("sales").is_not_null())
    main, astray = main_part(sold, LIMITS, today=today)
    if not astray or astray[-1] < main["date"][-1]:
        return imported
    later = pl.col("sales").is_not_null() & (pl.col("date") > main["date"][-1])
    rejects = imported.rows.filter(later).select(
        line=pl.lit(None, pl.Int64),  # rows in the table's order have no line any more
        reason=pl.lit(LATER),
        row=pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator=","),
    )
    return Import(imported.rows.filter(~later), pl.concat([imported.rejects, rejects]), imported.notes)


def summary(imported: Import) -> str:
    """What was taken in and what was not, as lines for the terminal."""
    rows, rejects = imported.rows, imported.rejects
    sold = rows["sales"].count()
    series = rows.select("store", "sku").n_unique()
    lines = [
        f"{rows.height:,} rows: {sold:,} days of sales and {rows.height - sold:,} planned days",
        f"{series:,} series: {rows['sku'].n_unique():,} products in {rows['store'].n_unique():,} stores",
        f"{_span(rows.filter(pl.col('sales').is_not_null()))} sold; {_span(rows)} with plans",
        *imported.notes,
    ]
    if rejects.is_empty():
        return "\n".join([*lines, "no line rejected"])
    return "\n".join([*lines, f"{rejects.height:,} lines rejected:", *_faults(rejects), *_examples(rejects)])


def save_rejects(imported: Import, path: Path) -> None:
    """Writes the rejected lines (line, reason, row) as CSV, to be mended and imported again; without any, no file."""
    if imported.rejects.is_empty():
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    imported.rejects.write_csv(path)


def load_rejects(path: Path) -> pl.DataFrame | None:
    """The reasons (column `reason`) in the file of the last import; None without one, or if somebody rebuilt it."""
    try:
        return pl.read_csv(path, columns=["reason"], schema_overrides={"reason": pl.String})
    except (OSError, pl.exceptions.PolarsError):
        return None


def _span(rows: pl.DataFrame) -> str:
    first, last = rows.select(
        first=pl.col("date").min().cast(pl.String), last=pl.col("date").max().cast(pl.String)
    ).row(0)
    return f"{first} to {last}" if rows.height else "no day"


def _faults(rejects: pl.DataFrame) -> list[str]:
    """How often each kind of fault occurs: reasons without the value and the line that they quote."""
    kind = pl.col("reason").str.split("; ").alias("kind")
    quoted = pl.col("kind").str.replace(r" '.*' is not", " is not").str.replace(r"line \d+", "an earlier line")
    counted = rejects.select(kind).explode("kind").select(quoted).group_by("kind").len()
    return [
        f"  {count:>9,}  {reason}" for reason, count in counted.sort("len", "kind", descending=[True, False]).rows()
    ]


def _examples(rejects: pl.DataFrame) -> list[str]:
    first = rejects.head(EXAMPLES).with_columns(pl.col("reason", "row").str.slice(0, 120))
    return [f"  line {line or '?'}: {reason} ({row})" for line, reason, row in first.rows()]
