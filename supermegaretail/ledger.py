"""Sales and plans that arrived over HTTP: in the state database before anybody is told that they were accepted.

Each write has a number, one higher than the write before, whichever replica it came through. Who remembers the last
number that it read finds what is new without reading the rest. The numbers go on rising when rows are folded into the
table file and forgotten here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, String, Table, Text, delete, inspect, select
from sqlalchemy.schema import DropTable

from common.state.database import create_tables, upsert
from supermegaretail.columns import KEY
from supermegaretail.contract import Plan, Sale
from supermegaretail.table import clean

KEY_AND_FIELD = (*KEY, "field")
UNNUMBERED = ("supermegaretail_plans", "supermegaretail_sales")  # of databases from before the numbers; sales won
metadata = MetaData()


def _fields(name: str, metadata: MetaData, *more: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        Column("store", String(200), primary_key=True),
        Column("sku", String(200), primary_key=True),
        Column("date", String(10), primary_key=True),
        Column("field", String(64), primary_key=True),  # a canonical column, so that a later row corrects what it tells
        Column("value", Text, nullable=False),  # JSON
        *more,
    )


arrivals = _fields(
    "supermegaretail_arrivals", metadata, Column("arrival", BigInteger, nullable=False, index=True)
)  # of the write that the value is from
counts = Table(
    "supermegaretail_arrival_counts",
    metadata,
    Column("ledger", String(16), primary_key=True),  # there is one
    Column("arrivals", BigInteger, nullable=False),
    Column("folds", BigInteger, nullable=False),
)


class BadRows(ValueError):
    """Rows that the canonical table does not take; nothing of the request was stored."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many writes there ever were, and how often rows were forgotten because the table file has them."""

    arrivals: int = 0
    folds: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """Canonical rows, one per store, product and day, and the number of the last write among them."""

    number: int
    rows: pl.DataFrame


class Ledger:
    """Idempotent by store, product and day: a later value corrects an earlier one. Blocks; SQLAlchemy's errors."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        self._take_over_unnumbered()

    def record_sales(self, rows: Sequence[Sale]) -> Arrived:
        """Durable when it returns. Raises `BadRows`."""
        return self._record(rows)

    def record_plans(self, rows: Sequence[Plan]) -> Arrived:
        """Likewise, with null sales."""
        return self._record(rows)

    def counts(self) -> Counts:
        """One row, so cheap enough to be read every second."""
        with self._engine.connect() as connection:
            row = connection.execute(select(counts.c.arrivals, counts.c.folds)).first()
        return Counts() if row is None else Counts(row.arrivals, row.folds)

    def read(self, *, after: int = 0) -> Arrived:
        """What later writes than number `after` told, unless it was folded since.

        It is one statement, and numbers become visible in their order: no write up to the returned number is missing.
        """
        number = after
        days: dict[tuple[str, str, str], dict[str, Any]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(select(arrivals).where(arrivals.c.arrival > after)):
                days.setdefault((row.store, row.sku, row.date), {})[row.field] = json.loads(row.value)
                number = max(number, row.arrival)
        documents = [{"store": s, "sku": k, "date": d, **fields} for (s, k, d), fields in days.items()]
        return Arrived(number, _canonical(documents))

    def forget(self, *, until: int) -> None:
        """Drops what writes up to that number told and no later one corrected; the table file has to have it."""
        with self._engine.begin() as connection:
            self._count(connection, folds=1)
            connection.execute(delete(arrivals).where(arrivals.c.arrival <= until))

    def _record(self, rows: Sequence[Sale] | Sequence[Plan]) -> Arrived:
        latest = {(row.store, row.sku, row.date): row for row in rows}
        documents = [row.model_dump(mode="json", exclude_none=True) for row in latest.values()]
        canonical = _canonical(documents)
        values = [
            {**{key: document[key] for key in KEY}, "field": name, "value": json.dumps(value)}
            for document in documents
            for name, value in document.items()
            if name not in KEY
        ]
        with self._engine.begin() as connection:
            number = self._count(connection, arrivals=1).arrivals
            self._store(connection, number, values)
        return Arrived(number, canonical)

    def _count(self, connection: Connection, **more: int) -> Counts:
        """Adds to the counts, and lets nobody else do so until the transaction ends: writes are visible in order."""
        added = upsert(self._engine, counts)
        added = added.values({"ledger": "sales", "arrivals": 0, "folds": 0, **more})
        added = added.on_conflict_do_update(
            index_elements=["ledger"],
            set_={name: counts.c[name] + added.excluded[name] for name in ("arrivals", "folds")},
        )
        row = connection.execute(added.returning(counts.c.arrivals, counts.c.folds)).one()
        return Counts(row.arrivals, row.folds)

    def _store(self, connection: Connection, number: int, values: Iterable[dict[str, str]]) -> None:
        rows = [{**value, "arrival": number} for value in values]
        insert = upsert(self._engine, arrivals)
        insert = insert.on_conflict_do_update(
            index_elements=KEY_AND_FIELD, set_={name: insert.excluded[name] for name in ("value", "arrival")}
        )
        if rows:
            connection.execute(insert, rows)

    def _take_over_unnumbered(self) -> None:
        if not _unnumbered(self._engine):
            return
        with self._engine.begin() as connection:
            number = self._count(connection, arrivals=1).arrivals
            for name in _unnumbered(connection):  # another replica may have been here first
                old = _fields(name, MetaData())
                rows = connection.execute(select(old)).mappings().all()
                self._store(connection, number, [dict(row) for row in rows])
                connection.execute(DropTable(old))


def _unnumbered(database: Engine | Connection) -> list[str]:
    seen = inspect(database)
    return [name for name in UNNUMBERED if seen.has_table(name)]


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
