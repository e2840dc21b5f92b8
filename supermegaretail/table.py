"""The sales table: one row per store, sku and day, in the columns that `columns.py` lists, sorted and unique.

Whatever comes in passes `clean`: good rows are kept, every bad one is told with its line and a plain reason, and no row
vanishes. Files are read block by block, so that memory holds the table and one block, whatever the file's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from common.durable import put_in_place
from supermegaretail.cells import is_bad, plain_types, reasons, typed
from supermegaretail.columns import KEY, TAKEN_BACK, Column, ImportProblem, check_header
from supermegaretail.csv_lines import REJECTS, read_header, read_lines, split_cells

BLOCK_ROWS = 250_000
PANDAS_INDEX = "__index_level_"  # row numbers that pandas writes beside the columns


@dataclass(frozen=True, slots=True)
class Import:
    """What came of reading sales: canonical `rows`, `rejects` (line, reason, row), `notes` on what was left out."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    notes: tuple[str, ...] = ()


def clean(raw: pl.DataFrame, *, first_line: int = 2) -> Import:
    """Validates rows in memory; the first of them stands at `first_line` of wherever they come from."""
    columns = check_header(raw.columns, where="rows")
    return settled([checked(raw.with_row_index("line", offset=first_line), columns)], columns)


def read_table(path: Path) -> Import:
    """Reads a file in the table's own columns: CSV (lines counted from 1, the header's) or parquet (rows from 1)."""
    return _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)


def checked(raw: pl.DataFrame, columns: Sequence[Column]) -> Import:
    """Raw rows with their line, typed but not yet in order (line, then `columns`); those with a bad cell as rejects."""
    plain = plain_types(raw)
    raw_names = [f"raw {column.name}" for column in columns]
    values = plain.select(
        pl.col("line").cast(pl.Int64),
        *(typed(column, plain.schema[column.name]) for column in columns),
        *(pl.col(column.name).alias(raw_name) for column, raw_name in zip(columns, raw_names, strict=True)),
    )
    bad = pl.any_horizontal(is_bad(column, plain.schema[column.name]) for column in columns)
    rejects = values.filter(bad).select("line", reasons(columns, plain.schema).alias("reason"), row=_as_text(raw_names))
    return Import(values.filter(~bad).drop(raw_names), rejects)


def settled(parts: Iterable[Import], columns: Sequence[Column]) -> Import:
    """Checked parts as one table: of rows with the same store, sku and date the first stays, the others are rejects."""
    rows = [pl.DataFrame(schema={"line": pl.Int64(), **{column.name: column.dtype for column in columns}})]
    rejects = [pl.DataFrame(schema=REJECTS)]
    for part in parts:
        rows.append(part.rows.rechunk())  # blocks of one chunk each are never copied again as a whole
        rejects.append(part.rejects)
    together = pl.concat(rows)
    if not _rises(together):
        together = together.sort(KEY, maintain_order=True)
        rejects.append(_repeats(together, columns))
        together = together.filter(_is_first())
    return Import(_canonical(together.drop("line")), pl.concat(rejects).sort("line"))


def merge(old: pl.DataFrame | None, new: pl.DataFrame) -> pl.DataFrame:
    """Both tables as one, with the columns of both; `new` wins per value, and what it leaves unknown stays.

    So a plan that comes after the sales of its day does not erase them, nor sales the price that was planned. Only what
    `new` takes back is unknown again.
    """
    if old is None or not old.height:
        return _canonical(new)
    shared = [name for name in new.columns if name in old.columns and name not in KEY]
    before = old.join(new, on=KEY, how="semi").rename({name: f"{name} before" for name in shared})
    newest = [pl.coalesce(name, _unless_taken_back(name, new)).alias(name) for name in shared]
    updated = new.join(before, on=KEY, how="left").with_columns(newest).drop(f"{name} before" for name in shared)
    untouched = old.join(new, on=KEY, how="anti", maintain_order="left")
    together = pl.concat([untouched, updated], how="diagonal")
    return _canonical(together if _rises(together) else together.sort(KEY))


def _unless_taken_back(name: str, new: pl.DataFrame) -> pl.Expr:
    before = pl.col(f"{name} before")
    if TAKEN_BACK not in new.columns:
        return before
    return pl.when(~pl.col(TAKEN_BACK).list.contains(name).fill_null(False)).then(before)


def save_table(rows: pl.DataFrame, path: Path) -> None:
    """Writes the table so that a reader, or a crash, sees the old file or the new one, never a part."""
    with put_in_place(path) as draft:
        rows.write_parquet(draft)


def load_table(path: Path) -> pl.DataFrame:
    """The table that `save_table` wrote; a missing, damaged or foreign file is an ImportProblem."""
    with _readable(path):
        rows = pl.read_parquet(path)
    expected = {column.name: column.dtype for column in check_header(rows.columns, where=str(path))}
    if dict(rows.schema) != expected:
        raise ImportProblem(f"{path}: not a sales table, its types are {dict(rows.schema)}")
    return rows


def _read_csv(path: Path) -> Import:
    names = read_header(path)
    columns = check_header(names, where=str(path))
    return settled(_csv_parts(path, names, columns), columns)


def _csv_parts(path: Path, names: list[str], columns: Sequence[Column]) -> Iterator[Import]:
    for lines in read_lines(path):
        cells, misfits = split_cells(lines, names)
        part = checked(cells, columns)
        as_written = part.rejects.drop("row").join(lines.rename({"text": "row"}), on="line")
        yield Import(part.rows, pl.concat([as_written, misfits]))


def _read_parquet(path: Path) -> Import:
    file = pl.scan_parquet(path)
    with _readable(path):
        names = [name for name in file.collect_schema().names() if not name.startswith(PANDAS_INDEX)]
        file = file.select(names)
    columns = check_header(names, where=str(path))
    return settled(_parquet_parts(path, file, columns), columns)


def _parquet_parts(path: Path, file: pl.LazyFrame, columns: Sequence[Column]) -> Iterator[Import]:
    height = file.select(pl.len()).collect().item()
    for start in range(0, height, BLOCK_ROWS):
        with _readable(path):
            block = file.slice(start, BLOCK_ROWS).collect()
        yield checked(block.with_row_index("line", offset=start + 1), columns)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # it panics at some wrong bytes
        reason = str(error).partition("\n")[0]
        raise ImportProblem(f"{path}: missing or not a readable parquet file ({reason})") from error


def _rises(rows: pl.DataFrame) -> bool:
    """Whether the rows are sorted by store, sku and date, and unique; block by block, as this runs on every import."""
    store, sku, day = (pl.col(name) for name in KEY)
    inside_store = (sku > sku.shift()) | ((sku == sku.shift()) & (day > day.shift()))
    rises = ((store > store.shift()) | ((store == store.shift()) & inside_store)).all()
    starts = range(0, rows.height, BLOCK_ROWS)
    return all(rows.slice(start, BLOCK_ROWS + 1).select(rises).item() for start in starts)


def _is_first() -> pl.Expr:
    """Whether a row of an ordered table is the first of its store, sku and date."""
    return pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in KEY).fill_null(True)


def _repeats(ordered: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """All but the first row of each store, sku and date, as rejects that name the first one's line."""
    first = ordered.filter(_is_first() & ~_is_first().shift(-1))
    again = ordered.filter(~_is_first()).join(first, on=KEY, suffix=" first", maintain_order="left")
    values = [column.name for column in columns if column.name not in KEY]
    alike = pl.all_horizontal(pl.lit(True), *(pl.col(name).eq_missing(pl.col(f"{name} first")) for name in values))
    same = pl.format("repeats line {}", "line first")
    other = pl.format("contradicts line {}: same store, sku and date, other values", "line first")
    reason = pl.when(alike).then(same).otherwise(other)
    return again.select("line", reason=reason, row=_as_text([column.name for column in columns]))


def _as_text(names: Sequence[str]) -> pl.Expr:
    return pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in names], separator=",")


def _canonical(rows: pl.DataFrame) -> pl.DataFrame:
    """The table's own order of columns; `sales` is always there, all null where only plans are known."""
    rows = rows.drop(TAKEN_BACK, strict=False)
    if "sales" not in rows.columns:
        rows = rows.with_columns(sales=pl.lit(None, pl.Float32))
    return rows.select(column.name for column in check_header(rows.columns, where="table"))
