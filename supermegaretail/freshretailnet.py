"""FreshRetailNet-50K as its publisher gives it (Hugging Face: `train.parquet`, `eval.parquet`), as rows of the table.

One row per store, product and day. management_group_id and the three category ids become category_1 to category_4,
activity_flag becomes promotion, stock_hour6_22_cnt (hours out of stock from 6 to 22 o'clock) becomes stockout_hours.
The lists of hours are not read: they are most of the file, and the table knows days. `eval.parquet` holds the days
after those of `train.parquet`; a folder gives both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl

from common.progress import Reporter, progress
from supermegaretail.columns import Column, ImportProblem, check_header
from supermegaretail.table import BLOCK_ROWS, Import, checked, settled

FILES = ("train.parquet", "eval.parquet")
FOLDERS = (".", "data")  # the publisher's repository has both files in `data`
COLUMN_OF = {
    "store_id": "store",
    "product_id": "sku",
    "dt": "date",
    "sale_amount": "sales",
    "discount": "discount",
    "activity_flag": "promotion",
    "holiday_flag": "holiday",
    "stock_hour6_22_cnt": "stockout_hours",
    "management_group_id": "category_1",
    "first_category_id": "category_2",
    "second_category_id": "category_3",
    "third_category_id": "category_4",
    "city_id": "city",
    "precpt": "x_rain",
    "avg_temperature": "x_temperature",
    "avg_humidity": "x_humidity",
    "avg_wind_level": "x_wind",
}


def files_of(path: Path) -> tuple[Path, ...]:
    """The publisher's files that `path` is or holds, earlier days first; empty if it is something else."""
    if path.is_dir():
        folders = [path / folder for folder in FOLDERS]
        found = next((files for folder in folders if (files := _present(folder))), ())
        return tuple(file for file in found if _is_ours(file))
    return (path,) if path.suffix.lower() == ".parquet" and path.is_file() and _is_ours(path) else ()


def read_freshretailnet(files: Sequence[Path], *, stores: Collection[str] = ()) -> Import:
    """The rows of all `files`, of all stores or those named; a reject's line counts on from one file to the next.

    Raises `ImportProblem` for a file that cannot be read or lacks a column, and for a store that is not there.
    """
    columns = check_header(tuple(COLUMN_OF.values()), where="FreshRetailNet")
    scans = [_scan(file) for file in files]
    heights = [_height(file, scan) for file, scan in zip(files, scans, strict=True)]
    with progress("reading rows", total=sum(heights)) as reporter:
        table = settled(_parts(files, scans, heights, columns, stores, reporter), columns)
    if stores and (unknown := sorted(set(stores) - set(table.rows["store"].unique()))):
        raise ImportProblem(f"{files[0]}: no good row of store {', '.join(unknown)}")
    spans = ", ".join(f"{file.name} {height:,}" for file, height in zip(files, heights, strict=True))
    return Import(table.rows, table.rejects, notes=(f"rows in {spans}; lines are counted through in this order",))


def _present(folder: Path) -> tuple[Path, ...]:
    return tuple(file for name in FILES if (file := folder / name).is_file())


def _is_ours(file: Path) -> bool:
    """By its columns; a damaged file is none of ours, and whoever reads it next says what is wrong with it."""
    try:
        return {"store_id", "product_id", "dt", "sale_amount"} <= set(pl.read_parquet_schema(file))
    except (OSError, pl.exceptions.PolarsError):
        return False


def _scan(file: Path) -> pl.LazyFrame:
    names = set(pl.read_parquet_schema(file))
    if missing := [name for name in COLUMN_OF if name not in names]:
        raise ImportProblem(f"{file}: FreshRetailNet's column {', '.join(missing)} is missing")
    return pl.scan_parquet(file).select(pl.col(name).alias(column) for name, column in COLUMN_OF.items())


def _height(file: Path, scan: pl.LazyFrame) -> int:
    try:
        height: int = scan.select(pl.len()).collect().item()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(file, error) from error
    return height


def _parts(
    files: Sequence[Path],
    scans: Sequence[pl.LazyFrame],
    heights: Sequence[int],
    columns: Sequence[Column],
    stores: Collection[str],
    reporter: Reporter,
) -> Iterator[Import]:
    line = 1
    wanted = pl.col("store").cast(pl.String).is_in(list(stores)) if stores else pl.lit(True)
    for file, scan, height in zip(files, scans, heights, strict=True):
        for start in range(0, height, BLOCK_ROWS):
            try:
                block = scan.slice(start, BLOCK_ROWS).collect()
            except (OSError, pl.exceptions.PolarsError) as error:
                raise _unreadable(file, error) from error
            yield checked(block.with_row_index("line", offset=line + start).filter(wanted), columns)
            reporter.advance(block.height)
        line += height


def _unreadable(file: Path, error: Exception) -> ImportProblem:
    return ImportProblem(f"{file}: not a readable parquet file ({str(error).partition(chr(10))[0]})")
