"""Sales and plans as the ledger keeps them: one document per store, product and day, with the fields that were told.

A field that was told as null is taken back: what an earlier row told in it is unknown again. Categories and sales are
not taken back, another value corrects them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import polars as pl

from supermegaretail.columns import FIRST_DAY, KEY, TAKEN_BACK
from supermegaretail.contract import Plan, Sale
from supermegaretail.far_rows import middle_of
from supermegaretail.panel import Panel
from supermegaretail.series import MOST_DAYS
from supermegaretail.table import clean

Document: TypeAlias = dict[str, Any]  # canonical columns; null: taken back
YEARS_BACK, YEARS_AHEAD = 10, 2
MOST_STRETCH = 2_000_000  # days of series that one request may add, told or not: at most 300 MB


class BadRows(ValueError):
    """Rows that the canonical table does not take; nothing of the request was stored."""


class NotKnownNow(BadRows, TimeoutError):
    """Rows that the table may take once it can be read: like all that can't be stored now they are to be sent again."""


def documents_of(rows: Sequence[Sale] | Sequence[Plan]) -> list[Document]:
    """Several rows of one day are one document: what a later one leaves open stays."""
    documents: dict[tuple[Any, ...], Document] = {}
    for row in rows:
        told = row.model_dump(mode="json", exclude_unset=True)
        told = {name: value for name, value in told.items() if value is not None or not name.startswith("category_")}
        documents.setdefault((row.store, row.sku, row.date), {}).update(told)
    return list(documents.values())


def check_days(
    rows: Sequence[Sale] | Sequence[Plan], panel: Panel, last_day: date | None, *, middle: int, where: str
) -> None:
    """Series hold all days between their first and their last, so a few rows far apart would take all memory.

    Raises `BadRows` for them, and for those that the panel would leave out, now or when it is built anew.

    Args:
        last_day: with sales, if any are known.
        middle: the panel's when it was built; 0: nothing was known.
        where: what the list of rows is called in the request.
    """
    today = datetime.now(UTC).date()
    latest = max(today, last_day or today) + timedelta(days=366 * YEARS_AHEAD)
    earliest = date.min if last_day is None else last_day - timedelta(days=366 * YEARS_BACK)
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for place, row in enumerate(rows):
        if not earliest <= row.date <= latest:
            raise BadRows(f"{where}.{place}.date: {row.date} is not a day from {max(earliest, FIRST_DAY)} to {latest}")
        day, key = row.date.toordinal(), (row.store, row.sku)
        first, end = spans.get(key, (day, day + 1))
        spans[key] = min(first, day), max(end, day + 1)
    stretch = 0
    for key, (first, end) in spans.items():
        known = panel.series[panel.places[key]] if key in panel.places else None
        if known is not None:
            first, end = min(first, known.first_day), max(end, known.end_day) - known.values.shape[1]
        stretch += end - first
    if stretch > MOST_STRETCH:
        raise BadRows(
            f"{where}: {len(spans)} items get {stretch} days more, counted with those between; {MOST_STRETCH} at most"
        )
    days = {(row.store, row.sku, row.date): row.date for row in rows}
    moved = middle_of(pl.DataFrame({"date": [*days.values()]}), panel.middle)
    for amidst in (middle or moved, moved):
        for place, row in enumerate(rows):
            if abs(row.date.toordinal() - amidst) > MOST_DAYS:
                away = f"{MOST_DAYS} days from {date.fromordinal(amidst)}, the middle of all that is known"
                raise BadRows(f"{where}.{place}.date: {row.date} lies more than {away}")


def check_inputs(rows: Sequence[Sale] | Sequence[Plan], known: Collection[str], *, where: str) -> None:
    """Inputs x_… have their places in models by their names in the table: another one comes with an import.

    Raises `BadRows` for one that is not `known`.
    """
    for place, row in enumerate(rows):
        if unknown := sorted((row.model_extra or {}).keys() - known):
            raise BadRows(f"{where}.{place}.{unknown[0]}: the sales table has no such column; an import can bring it")


def canonical(documents: Sequence[Document]) -> pl.DataFrame:
    """Rows of the table, with the column `TAKEN_BACK` where there is anything in it. Raises `BadRows`."""
    if not documents:
        return pl.DataFrame()
    rows = pl.DataFrame(documents, infer_schema_length=None)
    if "sales" not in rows.columns:
        rows = rows.with_columns(sales=pl.lit(None, dtype=pl.Float32))
    cleaned = clean(rows.with_columns(pl.col("date").str.to_date()), first_line=0)
    if cleaned.rejects.height:
        line, reason, *_ = cleaned.rejects.row(0)
        raise BadRows(f"row {line}: {reason}")
    taken_back = [
        {**{name: document[name] for name in KEY}, TAKEN_BACK: names}
        for document in documents
        if (names := [name for name, value in document.items() if value is None])
    ]
    if not taken_back:
        return cleaned.rows
    frame = pl.DataFrame(taken_back).with_columns(pl.col("date").str.to_date())
    return cleaned.rows.join(frame, on=KEY, how="left", maintain_order="left")
