"""Sales and plans that arrived over HTTP: in the state database before anybody is told that they were accepted.

Each write has a number, one higher than the write before, whichever replica it came through. Who remembers the last
number that it read finds what is new without reading the rest. The numbers go on rising when rows are folded into the
table file and forgotten here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.schema import DropTable

from common.state.database import create_tables, upsert
from common.state.preparing import prepare
from supermegaretail.columns import KEY
from supermegaretail.contract import Plan, Sale
from supermegaretail.table import clean

KEY_AND_FIELD = (*KEY, "field")
FIELDS = (*KEY_AND_FIELD, "value", "arrival")
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
past_arrivals = _fields(
    "supermegaretail_past_arrivals",
    metadata,
    Column("arrival", BigInteger, primary_key=True),
    Column("until", String(40), nullable=False, index=True),  # when it was corrected or folded; UTC, ISO 8601
)  # so that what was known at any moment of late can be known again
folds = Table(
    "supermegaretail_folds",
    metadata,
    Column("fold", BigInteger, primary_key=True),
    Column("arrival", BigInteger, nullable=False),  # of the last write that the table file has since then
)
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


@dataclass(frozen=True, slots=True)
class Position:
    """Which writes a history knows: after so many folds those up to `applied`, and some single ones beyond."""

    folds: int = 0
    applied: int = 0
    beyond: tuple[int, ...] = ()


class Ledger:
    """Idempotent by store, product and day: a later value corrects an earlier one. Blocks; SQLAlchemy's errors."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        prepare(engine, self._take_over_unnumbered)

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
            number = self._count(connection, folds=1).folds
            connection.execute(insert(folds), {"fold": number, "arrival": until})
            folded = arrivals.c.arrival <= until
            connection.execute(_into_the_past(folded), {"now": _now()})
            connection.execute(delete(arrivals).where(folded))

    def at(self, position: Position) -> pl.DataFrame:
        """The canonical rows that a history knew beside its table file, as long as `forget_past` has left them."""
        known = [(arrivals.c.arrival <= position.applied) | arrivals.c.arrival.in_(position.beyond)]
        past = [(past_arrivals.c.arrival <= position.applied) | past_arrivals.c.arrival.in_(position.beyond)]
        last = select(func.max(folds.c.arrival)).where(folds.c.fold <= position.folds)
        days: dict[tuple[str, str, str], dict[str, Any]] = {}
        with self._engine.connect() as connection:
            folded = connection.execute(last).scalar_one_or_none() or 0
            now = select(*(arrivals.c[name] for name in FIELDS)).where(*known, arrivals.c.arrival > folded)
            then = select(*(past_arrivals.c[name] for name in FIELDS)).where(*past, past_arrivals.c.arrival > folded)
            for row in connection.execute(now.union_all(then).order_by("arrival")):
                days.setdefault((row.store, row.sku, row.date), {})[row.field] = json.loads(row.value)
        return _canonical([{"store": s, "sku": k, "date": d, **fields} for (s, k, d), fields in days.items()])

    def forget_past(self, *, until: datetime) -> None:
        """Drops what was corrected or folded before then."""
        with self._engine.begin() as connection:
            connection.execute(delete(past_arrivals).where(past_arrivals.c.until < _iso(until)))

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
        added = upsert(self._engine, arrivals)
        corrected = added.on_conflict_do_update(
            index_elements=KEY_AND_FIELD, set_={name: added.excluded[name] for name in ("value", "arrival")}
        )
        if rows:
            same = [arrivals.c[name] == bindparam(f"the_{name}") for name in KEY_AND_FIELD]
            keys = [{f"the_{name}": row[name] for name in KEY_AND_FIELD} | {"now": _now()} for row in rows]
            connection.execute(_into_the_past(*same), keys)
            connection.execute(corrected, rows)

    def _take_over_unnumbered(self, connection: Connection) -> None:
        if not _unnumbered(connection):
            return
        number = self._count(connection, arrivals=1).arrivals
        for name in _unnumbered(connection):  # another replica may have been here first
            old = _fields(name, MetaData())
            rows = connection.execute(select(old)).mappings().all()
            self._store(connection, number, [dict(row) for row in rows])
            connection.execute(DropTable(old))


def _into_the_past(*which: ColumnElement[bool]) -> Insert:
    """A statement that keeps these arrivals, which are about to go, under the moment `now`."""
    kept = select(*(arrivals.c[name] for name in FIELDS), bindparam("now", type_=String)).where(*which)
    return insert(past_arrivals).from_select([*FIELDS, "until"], kept)


def _now() -> str:
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _unnumbered(connection: Connection) -> list[str]:
    seen = inspect(connection)
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
