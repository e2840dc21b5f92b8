"""Sales and plans that arrived over HTTP: in the state database before anybody is told that they were accepted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
from sqlalchemy import Column, Engine, MetaData, String, Table, Text, select

from common.state.database import create_tables, upsert
from supermegaretail.columns import KEY
from supermegaretail.contract import Plan, Sale
from supermegaretail.table import clean

KEY_AND_FIELD = (*KEY, "field")
metadata = MetaData()


def _table(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("store", String(200), primary_key=True),
        Column("sku", String(200), primary_key=True),
        Column("date", String(10), primary_key=True),
        Column("field", String(64), primary_key=True),  # a canonical column, so that a later row corrects what it tells
        Column("value", Text, nullable=False),  # JSON
    )


sales = _table("supermegaretail_sales")
plans = _table("supermegaretail_plans")


class BadRows(ValueError):
    """Rows that the canonical table does not take; nothing of the request was stored."""


class Ledger:
    """Idempotent by store, product and day: a later value corrects an earlier one."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine

    def record_sales(self, rows: Sequence[Sale]) -> pl.DataFrame:
        """Durable when it returns; the rows as a canonical table. Raises `BadRows`."""
        return self._record(sales, rows)

    def record_plans(self, rows: Sequence[Plan]) -> pl.DataFrame:
        """Likewise, with null sales."""
        return self._record(plans, rows)

    def rows(self) -> pl.DataFrame:
        """Everything ever accepted, as a canonical table; one row per store, product and day."""
        days: dict[tuple[str, str, str], dict[str, Any]] = {}
        with self._engine.connect() as connection:
            for table in (plans, sales):
                for row in connection.execute(select(table)):
                    days.setdefault((row.store, row.sku, row.date), {})[row.field] = json.loads(row.value)
        return _canonical([{"store": s, "sku": k, "date": d, **fields} for (s, k, d), fields in days.items()])

    def _record(self, table: Table, rows: Sequence[Sale] | Sequence[Plan]) -> pl.DataFrame:
        latest = {(row.store, row.sku, row.date): row for row in rows}
        documents = [row.model_dump(mode="json", exclude_none=True) for row in latest.values()]
        canonical = _canonical(documents)
        insert = upsert(self._engine, table)
        insert = insert.on_conflict_do_update(index_elements=KEY_AND_FIELD, set_={"value": insert.excluded.value})
        values = [
            {**{key: document[key] for key in KEY}, "field": name, "value": json.dumps(value)}
            for document in documents
            for name, value in document.items()
            if name not in KEY
        ]
        with self._engine.begin() as connection:
            connection.execute(insert, values)
        return canonical


def _canonical(documents: Sequence[dict[str, Any]]) -> pl.DataFrame:
    if not documents:
        return pl.DataFrame()
    rows = pl.DataFrame(documents, infer_schema_length=None)
    if "sales" not in rows.columns:
        rows = rows.with_columns(sales=pl.lit(None, dtype=pl.Float32))
    cleaned = clean(rows.with_columns(pl.col("date").str.to_date()), first_line=0)
    if cleaned.rejects.height:
        line, reason, *_ = cleaned.rejects.row(0)
        raise BadRows(f"row {line}: {reason}")
    return cleaned.rows
