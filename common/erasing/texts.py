"""Every text of every table: whose row must stay loses the name of the person, and nothing else.

It needs no list of tables, so that a table that comes later is not forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import reduce
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
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import JSON, Text

from common.erasing.person import Person, pattern_of

LEFT_ALONE = frozenset({"erasures", "erasure_keys", "erasure_work", "erased_things"})  # they hold hashes
AT_A_TIME = 500  # rows in memory, while a table is read
PEOPLE_AT_A_TIME = 100
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
    before: Mapping[str, Callable[[], object]] = NOTHING,
    then: Mapping[str, Callable[[Connection], object]] = NOTHING,
) -> dict[str, Counter[str]]:
    """By keyed hash of a person, the rows by table whose texts named them, and do not any more.

    Every table is read once for all people; only rows that name somebody are locked.

    Args:
        before: by table, what to do before it is changed.
        then: what to do in the same transaction.
    """
    changed = {person.hash: Counter[str]() for person in people}
    with engine.connect() as connection:
        tables = [table for table in tables_of(connection) if table.primary_key.columns]
    for table in tables:
        if table.name in LEFT_ALONE or table.name in except_in:
            continue
        with engine.connect() as connection:
            found = list(naming(connection, table, people))
        if not found:
            continue
        if table.name in before:
            before[table.name]()
        with engine.begin() as connection:
            for row in found:
                for person in _renamed(connection, table, row, people):
                    changed[person.hash][table.name] += 1
            if table.name in then:
                then[table.name](connection)
    return changed


def naming(connection: Connection, table: Table, people: Sequence[Person]) -> Iterator[dict[str, Any]]:
    """Rows with a text that names one of the people: key and texts, as they are stored; one reading of the table."""
    texts = _texts(table)
    if not texts:
        return
    query = _query(table)
    anybody = pattern_of(people)
    ids = {person.id for person in people}
    for holds in _holding(connection, texts, people):
        with connection.execute(query.where(holds), execution_options={"yield_per": AT_A_TIME}) as found:
            for row in found.mappings():
                values = [row[column.name] or "" for column in texts]
                if any(value in ids or anybody.search(value) for value in values):
                    yield dict(row)


def in_longer_value(connection: Connection, table: Table, people: Sequence[Person]) -> bool:
    """Whether a text holds an id at all, be it as part of a longer one."""
    texts = _texts(table)
    every = [select(texts[0]).where(holds).limit(1) for holds in _holding(connection, texts, people)]
    return any(connection.execute(query).first() is not None for query in every)


def _texts(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if isinstance(column.type, String | JSON)]


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    return column if isinstance(column.type, String) else cast(column, Text)


def _holding(
    connection: Connection, texts: Sequence[Column[Any]], people: Sequence[Person]
) -> Iterator[ColumnElement[bool]]:
    """Conditions, each for some of the people: SQLite takes an expression of at most a thousand terms."""
    if not texts:
        return
    inside = func.instr if connection.dialect.name == "sqlite" else func.strpos
    every: list[ColumnElement[Any]] = [func.coalesce(_as_text(column), "") for column in texts]
    together = reduce(lambda before, text: before + "\n" + text, every)
    for start in range(0, len(people), PEOPLE_AT_A_TIME):
        some = people[start : start + PEOPLE_AT_A_TIME]
        words = [person.id for person in some if not person.in_texts]
        spelt = [spelling for person in some if person.in_texts for spelling in person.spellings]
        holds = [inside(together, spelling) > 0 for spelling in spelt]
        yield or_(*holds, *(_as_text(column).in_(words) for column in texts if words))


def _query(table: Table) -> Select[Any]:
    texts = _texts(table)
    columns: list[ColumnElement[Any]] = [_as_text(column).label(column.name) for column in texts]
    return select(*columns, *(column for column in table.primary_key.columns if column not in texts))


def _renamed(connection: Connection, table: Table, found: dict[str, Any], people: Sequence[Person]) -> list[Person]:
    """Who was named in a row, as it is by now."""
    key = [column == found[column.name] for column in table.primary_key.columns]
    row = connection.execute(_query(table).where(*key).with_for_update()).mappings().one_or_none()
    if row is None:
        return []
    old = {column: row[column.name] or "" for column in _texts(table)}
    new = dict(old)
    named = [person for person in people if any(map(person.named_in, old.values()))]
    for person in named:
        new = {column: person.without(text) for column, text in new.items()}
    values = {column.name: _stored(connection, column, new[column]) for column in new if new[column] != old[column]}
    if values:
        connection.execute(update(table).where(*key).values(values))
    return named


def _stored(connection: Connection, column: Column[Any], text: str) -> Any:
    if isinstance(column.type, String):
        return text[: column.type.length]
    as_text = type_coerce(text, Text)
    return as_text if connection.dialect.name == "sqlite" else cast(as_text, column.type)
