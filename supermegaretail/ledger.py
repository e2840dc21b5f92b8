"""Sales and plans that arrived over HTTP: in the state database before anybody is told that they were accepted.

Each write has a number, one higher than the write before, whichever replica it came through. Who remembers the last
number that it read finds what is new without reading the rest. The numbers go on rising when rows are folded into the
table file and forgotten here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import polars as pl
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    inspect,
    select,
)
from sqlalchemy.schema import DropTable

from common.state.database import create_tables, upsert
from common.state.preparing import prepare
from supermegaretail.columns import KEY
from supermegaretail.contract import Plan, Sale
from supermegaretail.told_rows import canonical, documents_of

KeyAndField: TypeAlias = tuple[str, str, str, str]
KEY_AND_FIELD = (*KEY, "field")
FIELDS = (*KEY_AND_FIELD, "value", "arrival")
UNNUMBERED = ("supermegaretail_plans", "supermegaretail_sales")  # of databases from before the numbers; sales won
AT_ONCE = 500  # keys in one query; every SQLite takes 999 values
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
folds = Table(  # those that ended, and the next one from its beginning on
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
        return Arrived(number, canonical(documents))

    def begin_fold(self) -> int:
        """The number of the last write until now: what up to there told goes with `forget`, unless it is told again."""
        with self._engine.begin() as connection:
            counted = self._count(connection)
            self._note_fold(connection, counted.folds + 1, counted.arrivals)
        return counted.arrivals

    def forget(self, *, until: int) -> None:
        """Drops what writes up to that number told and no later one told again; the table file has to have it."""
        with self._engine.begin() as connection:
            self._note_fold(connection, self._count(connection, folds=1).folds, until)
            folded = arrivals.c.arrival <= until
            kept = select(*(arrivals.c[name] for name in FIELDS), bindparam("now", type_=String)).where(folded)
            past = upsert(self._engine, past_arrivals).from_select([*FIELDS, "until"], kept)
            connection.execute(past.on_conflict_do_nothing(), {"now": _now()})
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
        return canonical([{"store": s, "sku": k, "date": d, **fields} for (s, k, d), fields in days.items()])

    def forget_past(self, *, until: datetime) -> None:
        """Drops what was corrected or folded before then."""
        with self._engine.begin() as connection:
            connection.execute(delete(past_arrivals).where(past_arrivals.c.until < _iso(until)))

    def _record(self, rows: Sequence[Sale] | Sequence[Plan]) -> Arrived:
        documents = documents_of(rows)
        told = canonical(documents)
        values = {
            (document["store"], document["sku"], document["date"], name): json.dumps(value)
            for document in documents
            for name, value in document.items()
            if name not in KEY
        }
        with self._engine.begin() as connection:
            number = self._count(connection, arrivals=1).arrivals
            self._store(connection, number, values)
        return Arrived(number, told)

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

    def _note_fold(self, connection: Connection, number: int, arrival: int) -> None:
        noted = upsert(self._engine, folds).values(fold=number, arrival=arrival)
        newer = {"arrival": noted.excluded.arrival}
        connection.execute(noted.on_conflict_do_update(index_elements=["fold"], set_=newer))

    def _store(self, connection: Connection, number: int, values: Mapping[KeyAndField, str]) -> None:
        """What differs from what is there or is about to go with a fold; what it corrects is kept as past."""
        present = {
            (row.store, row.sku, row.date, row.field): row
            for query, asked in _lookups({key[:3] for key in values})
            for row in connection.execute(query, asked)
        }
        going = connection.execute(select(func.max(folds.c.arrival))).scalar_one() or 0 if present else 0
        stays = {key: row.value for key, row in present.items() if row.arrival > going}
        changed = [key for key, value in values.items() if stays.get(key) != value]
        now = _now()
        if corrected := [(*present[key], now) for key in changed if key in present]:
            names = (*FIELDS, "until")
            past = upsert(self._engine, past_arrivals).on_conflict_do_nothing()  # two may have one number: taken over
            connection.execute(past, [dict(zip(names, row, strict=True)) for row in corrected])
        if changed:
            rows = [dict(zip(FIELDS, (*key, values[key], number), strict=True)) for key in changed]
            added = upsert(self._engine, arrivals)
            newer = {name: added.excluded[name] for name in ("value", "arrival")}
            connection.execute(added.on_conflict_do_update(index_elements=KEY_AND_FIELD, set_=newer), rows)

    def _take_over_unnumbered(self, connection: Connection) -> None:
        if not _unnumbered(connection):
            return
        self._count(connection)  # which waits: another replica may be here already
        for name in _unnumbered(connection):
            number = self._count(connection, arrivals=1).arrivals
            old = _fields(name, MetaData())
            rows = connection.execute(select(old)).all()
            self._store(connection, number, {(row.store, row.sku, row.date, row.field): row.value for row in rows})
            connection.execute(DropTable(old))


def _lookups(days: Iterable[tuple[str, str, str]]) -> Iterator[tuple[Select[Any], dict[str, Any]]]:
    """The queries for these keys; lists of whole keys would be looked up in no index of SQLite's.

    Each is for many products of a store and day, or for many days of a product in a store, whichever makes fewer.
    """
    by_day, by_sku = defaultdict[tuple[str, str], list[str]](list), defaultdict[tuple[str, str], list[str]](list)
    for store, sku, day in days:
        by_day[store, day].append(sku)
        by_sku[store, sku].append(day)
    fixed, varied, groups = ("date", "sku", by_day) if len(by_day) < len(by_sku) else ("sku", "date", by_sku)
    query = select(*(arrivals.c[name] for name in FIELDS)).where(
        arrivals.c.store == bindparam("in_store"),
        arrivals.c[fixed] == bindparam("same"),
        arrivals.c[varied].in_(bindparam("some", expanding=True)),
    )
    for (store, same), some in groups.items():
        for start in range(0, len(some), AT_ONCE):
            yield query, {"in_store": store, "same": same, "some": some[start : start + AT_ONCE]}


def _now() -> str:
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _unnumbered(connection: Connection) -> list[str]:
    seen = inspect(connection)
    return [name for name in UNNUMBERED if seen.has_table(name)]
