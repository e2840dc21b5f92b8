"""From a raw cell to a typed value: polars expressions that say whether a cell holds anything, and what it is worth.

`typed` gives null for whatever the column does not expect. A cell that is present but not typed is a bad one; that is
the only rule of validation, the same for all columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from supermegaretail.columns import FIRST_DAY, LAST_DAY, LONGEST_TEXT, Column, ImportProblem

UNREADABLE = r"[\x00-\x1f\x7f\x{fffd}]"  # control characters, and what stands for bytes that were not UTF-8
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
MIDNIGHT = ("", *(f"{gap}00:00{rest}" for gap in "T " for rest in ("", ":00", ":00Z", ":00.000", ":00.000000")))


def plain_types(raw: pl.DataFrame) -> pl.DataFrame:
    """The frame with encoded text as text; a column of lists, bytes or the like is a problem that names it."""
    plain = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Null)
    for name, dtype in raw.schema.items():
        if not (dtype.is_numeric() or dtype in plain or dtype in (pl.Categorical, pl.Enum)):
            raise ImportProblem(f"column {name!r} holds {dtype}, which is neither a number, nor text, nor a day")
    encoded = [name for name, dtype in raw.schema.items() if dtype in (pl.Categorical, pl.Enum, pl.Null)]
    return raw.with_columns(pl.col(encoded).cast(pl.String))


def is_bad(column: Column, source: pl.DataType) -> pl.Expr:
    """Whether the typed cell, beside the raw one (prefixed "raw "), breaks the column's rule."""
    untyped = pl.col(column.name).is_null()
    return untyped if column.required else untyped & is_present(f"raw {column.name}", source)


def is_present(name: str, source: pl.DataType) -> pl.Expr:
    """Whether the cell holds anything: blank text is nothing."""
    cell = pl.col(name)
    return (cell.str.strip_chars() != "").fill_null(False) if source == pl.String else cell.is_not_null()


def reasons(columns: Sequence[Column], schema: pl.Schema) -> pl.Expr:
    """Why a row is bad, in plain words, all reasons in one text."""
    return pl.concat_str(
        [_reason(column, schema[column.name]) for column in columns], separator="; ", ignore_nulls=True
    )


def _reason(column: Column, source: pl.DataType) -> pl.Expr:
    raw = f"raw {column.name}"
    shown = pl.col(raw).cast(pl.String).str.slice(0, 40)
    wrong = pl.format("{} '{}' is not {}", pl.lit(column.name), shown, pl.lit(column.expects))
    missing = pl.lit(f"{column.name} is missing")
    return pl.when(is_bad(column, source)).then(pl.when(is_present(raw, source)).then(wrong).otherwise(missing))


def typed(column: Column, source: pl.DataType) -> pl.Expr:
    """The cell as the column's own type; null where it is missing or not what the column expects."""
    cell = pl.col(column.name)
    if column.kind == "text":
        return _text(cell, source).alias(column.name)
    if column.kind == "day":
        return _day(cell, source).alias(column.name)
    if column.kind == "flag":
        return _flag(cell, source).alias(column.name)
    number = _number(cell, source)
    # NaN and infinity lie in no interval, so this refuses them too.
    return pl.when(number.is_between(column.low, column.high)).then(number).cast(pl.Float32).alias(column.name)


def _text(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    if source.is_float():  # pandas keeps whole ids with gaps as floats: 5.0 is the product "5"
        number = cell.fill_nan(None)
        whole = number.cast(pl.Int64, strict=False)
        return pl.when(number == whole).then(whole.cast(pl.String)).otherwise(number.cast(pl.String))
    if source != pl.String:
        return cell.cast(pl.String)
    value = cell.str.strip_chars()
    readable = value.str.len_chars().is_between(1, LONGEST_TEXT) & ~value.str.contains(UNREADABLE)
    return pl.when(readable).then(value)


def _day(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    if source == pl.Date:
        day = cell
    elif source == pl.Datetime:  # midnight is a day; any other time belongs to finer data than this table holds
        day = pl.when(cell.dt.time() == pl.time(0, 0)).then(cell.dt.date())
    else:
        value = cell.cast(pl.String).str.strip_chars()
        at_midnight = value.str.slice(10).is_in(MIDNIGHT)
        day = pl.when(at_midnight).then(value.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False))
    return pl.when(day.is_between(FIRST_DAY, LAST_DAY)).then(day)


def _flag(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    number = _number(cell, source)
    if source == pl.String:
        said = pl.when(cell.is_in(TRUE)).then(1.0).when(cell.is_in(FALSE)).then(0.0)
        number = said.otherwise(number)
    return pl.when(number.is_in([0.0, 1.0])).then(number).cast(pl.Int8)


def _number(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    return (cell.str.strip_chars() if source == pl.String else cell).cast(pl.Float64, strict=False)
