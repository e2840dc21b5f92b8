"""Every text of every table: whose row must stay loses the name of the person, and nothing else.

It needs no list of tables, so that a table that comes later is not forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial, reduce
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Select,
    String,
    Table,
    cast,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import JSON, Text

from common.erasing.person import OF_PEOPLE, Person, naming_any, quoted_in_json
from common.state.patience import unhurried

LEFT_ALONE = frozenset({"erasure_keys", "erased_things"})  # they hold hashes
TOGETHER = "all texts together"
AT_A_TIME = 500  # rows in memory, while a table is read
TERMS_AT_A_TIME = 800  # of a question to the database: SQLite takes a thousand
ADDED = MappingProxyType({"caller_usage": "calls"})  # counts of tables that have names in their keys
NOTHING: Mapping[str, Any] = MappingProxyType({})


def tables_of(connection: Connection) -> Sequence[Table]:
    """What the database has, in the order of names."""
    known = MetaData()
    known.reflect(connection)
    return sorted(known.tables.values(), key=lambda table: table.name)


def pseudonymised(
    engine: Engine,
    people: Sequence[Person],
    *,
    except_in: Collection[str] = (),
    kept: Callable[[str, Mapping[str, Any]], Collection[str]] = lambda _table, _row: (),
    before: Mapping[str, Callable[[], object]] = NOTHING,
    then: Mapping[str, Callable[[Connection], object]] = NOTHING,
) -> dict[str, Counter[str]]:
    """By keyed hash of a person, the rows by table whose texts named them, and do not any more.

    Every table is read once for all people; only rows that name somebody are locked.

    Args:
        kept: columns of a row of a table that stay as they are.
        before: by table, what to do before it is changed.
        then: what to do in the same transaction.
    """
    changed = {person.hash: Counter[str]() for person in people}
    with engine.connect() as connection:
        tables = [table for table in tables_of(connection) if table.primary_key.columns]
    for table in tables:
        if table.name in LEFT_ALONE or table.name in except_in:
            continue
        with engine.connect() as connection, unhurried(connection):
            found = list(naming(connection, table, people))
        if not found:
            continue
        if table.name in before:
            before[table.name]()
        with engine.begin() as connection:
            for row in found:
                for person in _renamed(connection, table, row, people, partial(kept, table.name)):
                    changed[person.hash][table.name] += 1
            if table.name in then:
                then[table.name](connection)
    return changed


def naming(connection: Connection, table: Table, people: Sequence[Person]) -> Iterator[dict[str, Any]]:
    """Rows with a text that names one of the people: key and texts, as they are stored; one reading of the table."""
    names, texts = naming_any(people), [column.name for column in _texts(table)]
    for query in _holding(connection, table, people):
        with connection.execute(query, execution_options={"yield_per": AT_A_TIME}) as found:
            for row in found.mappings():
                if any(names(row[name] or "", name) for name in texts):
                    yield dict(row)


def in_longer_value(connection: Connection, table: Table, people: Sequence[Person]) -> bool:
    """Whether a text holds an id at all, be it as part of a longer one."""
    return any(connection.execute(query.limit(1)).first() for query in _holding(connection, table, people))


def _texts(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if isinstance(column.type, String | JSON)]


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    return column if isinstance(column.type, String) else cast(column, Text)


def _holding(connection: Connection, table: Table, people: Sequence[Person]) -> Iterator[Select[Any]]:
    """Rows with a text that holds an id, each query for some of the people."""
    if not _texts(table):
        return
    inside = func.instr if connection.dialect.name == "sqlite" else func.strpos
    every: list[ColumnElement[Any]] = [func.coalesce(_as_text(column), "") for column in _texts(table)]
    together = reduce(lambda before, text: before + "\n" + text, every)
    # Without an offset the database would put the texts together once more for each of the people.
    rows = _query(table).add_columns(together.label(TOGETHER)).offset(0).subquery()
    columns = [column for column in rows.columns if column.name != TOGETHER]
    texts = [rows.c[column.name] for column in _texts(table) if column.name in OF_PEOPLE]
    at_a_time = max(1, TERMS_AT_A_TIME // max((len(person.spellings) + 1 for person in people), default=1))
    for start in range(0, len(people), at_a_time):
        some = people[start : start + at_a_time]
        words = [person.id for person in some if not person.in_texts]
        spelt = [spelling for person in some if person.in_texts for spelling in person.spellings]
        spelt += [quoted for word in words for quoted in quoted_in_json(word)]
        holds = [inside(rows.c[TOGETHER], spelling) > 0 for spelling in spelt]
        yield select(*columns).where(or_(*holds, *(text.in_(words) for text in texts if words)))


def _query(table: Table) -> Select[Any]:
    texts = _texts(table)
    columns: list[ColumnElement[Any]] = [_as_text(column).label(column.name) for column in texts]
    return select(*columns, *(column for column in table.primary_key.columns if column not in texts))


def _renamed(
    connection: Connection,
    table: Table,
    found: dict[str, Any],
    people: Sequence[Person],
    kept: Callable[[Mapping[str, Any]], Collection[str]],
) -> list[Person]:
    """Who was named in a row, as it is by now."""
    key = [column == found[column.name] for column in table.primary_key.columns]
    row = connection.execute(_query(table).where(*key).with_for_update()).mappings().one_or_none()
    if row is None:
        return []
    stays = set(kept(dict(row)))
    old = {column: row[column.name] or "" for column in _texts(table) if column.name not in stays}
    new = dict(old)
    named = [person for person in people if any(person.named_in(text, column.name) for column, text in old.items())]
    for person in named:
        new = {column: person.without(text, column.name) for column, text in new.items()}
    values = {column.name: _stored(connection, column, new[column]) for column in new if new[column] != old[column]}
    if any(column.name in values for column in table.primary_key.columns):
        values |= _taken_in(connection, table, dict(row) | values)
    if values:
        connection.execute(update(table).where(*key).values(values))
    return named


def _taken_in(connection: Connection, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Takes away the row that has this key already, since an erasure before; what the row instead of it counts more."""
    same = [column == row[column.name] for column in table.primary_key.columns]
    earlier = connection.execute(select(table).where(*same)).mappings().one_or_none()
    if earlier is None:
        return {}
    connection.execute(delete(table).where(*same))
    counted = ADDED.get(table.name)
    return {counted: table.c[counted] + earlier[counted]} if counted else {}


def _stored(connection: Connection, column: Column[Any], text: str) -> Any:
    if isinstance(column.type, String):
        return text[: column.type.length]
    as_text = type_coerce(text, Text)
    return as_text if connection.dialect.name == "sqlite" else cast(as_text, column.type)
