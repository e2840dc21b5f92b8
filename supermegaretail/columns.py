"""The columns of the sales table: what each one holds, and when a value of it is good.

One row tells one product in one store on one day. A row without `sales` is a plan: it tells what is known ahead about a
day that has not been sold yet (price, promotion, holiday, ...). `COLUMNS` is the whole list; only store, sku and date
are required, other columns may be absent. Whatever is missing from a row is unknown, not zero.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import polars as pl

from common.command_line import Failed

Kind = Literal["text", "day", "number", "flag"]

KEY = ("store", "sku", "date")
TAKEN_BACK = "taken_back"  # beside the columns of rows that are to be merged: in which of them nothing holds any more
LONGEST_TEXT = 200
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2100, 12, 31)  # outside lie typing errors, not sales


class ImportProblem(Failed, ValueError):
    """A file that cannot be taken in at all, with what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table, or a family of them whose names match `pattern`; `low` and `high` bound its numbers."""

    name: str
    kind: Kind
    meaning: str
    pattern: str = ""
    low: float = 0
    high: float = 1e9
    required: bool = False

    @property
    def dtype(self) -> pl.DataType:
        dtypes = {"text": pl.String(), "day": pl.Date(), "number": pl.Float32(), "flag": pl.Int8()}
        return dtypes[self.kind]

    @property
    def expects(self) -> str:
        """What a good value is, in words that end the sentence "… is not"."""
        words = {
            "text": f"readable text of at most {LONGEST_TEXT} characters",
            "day": f"a day (YYYY-MM-DD) from {FIRST_DAY} to {LAST_DAY}",
            "number": f"a number from {self.low:,.0f} to {self.high:,.0f}",
            "flag": "0 or 1",
        }
        return words[self.kind]

    def covers(self, name: str) -> bool:
        return name == self.name or bool(self.pattern and re.fullmatch(self.pattern, name))


COLUMNS: tuple[Column, ...] = (
    Column("store", "text", "which store", required=True),
    Column("sku", "text", "which product", required=True),
    Column("date", "day", "which day", required=True),
    Column("sales", "number", "units sold that day; missing: the row is a plan"),
    Column("price", "number", "what a customer pays for one unit that day, discount included; known ahead"),
    Column("discount", "number", "price paid ÷ list price: 1 is none, 0.75 a quarter off; known ahead", high=2),
    Column("promotion", "flag", "1 while the store promotes the product; known ahead"),
    Column("holiday", "flag", "1 on public holidays; known ahead"),
    Column("event", "text", "what happens that day, such as Easter; known ahead"),
    Column("event_type", "text", "kind of event, such as Religious; known ahead"),
    Column("event_2", "text", "a second event of the day; its kind is event_type_2", r"event(_type)?_[2-9]"),
    Column("stockout_hours", "number", "opening hours without stock, when sales are below demand", high=24),
    Column("category_1", "text", "product group; 1 is the coarsest, then category_2, …", r"category_[1-9]\d*"),
    Column("city", "text", "where the store is"),
    Column("x_…", "number", "any further numeric input; known ahead only as a forecast", r"x_\w+", -1e12, 1e12),
)


def check_header(names: Sequence[str], *, where: str) -> list[Column]:
    """The columns of a file, in the table's own order; an unknown, repeated or missing name is a problem naming it."""
    faults = {
        "unknown": [name for name in names if _place(name) is None],
        "repeated": sorted({name for name in names if names.count(name) > 1}),
        "missing": [column.name for column in COLUMNS if column.required and column.name not in names],
    }
    for fault, faulty in faults.items():
        if faulty:
            known = ", ".join(column.name for column in COLUMNS)
            raise ImportProblem(f"{where}: {fault} column {_listed(faulty)}; the table knows {known}")
    placed = sorted((place, name) for name in names if (place := _place(name)) is not None)
    return [replace(COLUMNS[place], name=name, pattern="") for place, name in placed]


def columns_text() -> str:
    """The list of columns for people, one per line."""
    lines = [f"{c.name:<15} {c.kind:<7} {'required' if c.required else 'optional'}  {c.meaning}" for c in COLUMNS]
    return "\n".join(lines)


def _place(name: str) -> int | None:
    return next((place for place, column in enumerate(COLUMNS) if column.covers(name)), None)


def _listed(names: list[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
