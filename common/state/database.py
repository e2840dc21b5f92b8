"""The state database: SQLite under VAR_DIR on one machine, PostgreSQL where several share it."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from common.settings import ServiceSettings
from common.state.patience import bounds_beside
from common.state.preparing import BUSY_TIMEOUT_MS, Preparations, prepare
from common.state.sqlite_file import SqliteFile

STATE_FILE = "state.sqlite3"  # under VAR_DIR
CREATION_LOCK = 0x6D7572706879  # "murphy": any number that nobody else in this database locks


def open_state(settings: ServiceSettings) -> Engine:
    """A pool of connections to the state database, which is made where it does not exist; opens none of them."""
    url = settings.database_url or f"sqlite:///{settings.var_dir / STATE_FILE}"
    # hide_parameters: an error message, and so a log, never holds what was stored
    if not url.startswith("sqlite"):
        engine = create_engine(
            url,
            pool_size=4,
            max_overflow=4,
            pool_timeout=2,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=bounds_beside(make_url(url).query),
        )
        _bound_waits(engine)
    else:
        connect_args = {"timeout": BUSY_TIMEOUT_MS / 1000}
        engine = create_engine(url, connect_args=connect_args, pool_timeout=2, hide_parameters=True)
        SqliteFile(engine).watch()
    Preparations.of(engine)  # before other threads know the engine
    return engine


def _bound_waits(engine: Engine) -> None:
    if engine.dialect.driver != "psycopg":
        return
    from common.state.bounded_connection import BoundedConnection

    def connect(_dialect: Any, _record: Any, arguments: Any, settings: Any) -> BoundedConnection:
        return BoundedConnection.connect(*arguments, **settings)

    event.listen(engine, "do_connect", connect)


def create_tables(engine: Engine, metadata: MetaData) -> None:
    """Makes the tables of `metadata` that do not exist yet; many processes may do so at the same moment.

    While the database can't be reached that is put off: see `prepare`.
    """
    prepare(engine, partial(_create, metadata))


def add_missing_columns(engine: Engine, metadata: MetaData) -> None:
    """Adds the nullable columns that a table of an earlier version lacks, likewise."""
    prepare(engine, partial(_add_missing, metadata))


def widen_integers(engine: Engine, metadata: MetaData) -> None:
    """Makes 64 bits of the columns that had 32 in an earlier version, likewise; SQLite's always have 64."""
    prepare(engine, partial(_widen, metadata))


def _create(metadata: MetaData, connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # its IF NOT EXISTS alone fails when two find that nothing exists
        connection.execute(select(func.pg_advisory_xact_lock(CREATION_LOCK)))
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))


def _add_missing(metadata: MetaData, connection: Connection) -> None:
    for table in metadata.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there and column.nullable:
                _add_column(connection, table, column)


def _widen(metadata: MetaData, connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        wide = {one.name for one in table.columns if isinstance(one.type, BigInteger)}
        there = [one for one in inspect(connection).get_columns(table.name) if one["name"] in wide]
        if narrow := [one["name"] for one in there if not isinstance(one["type"], BigInteger)]:
            made = ", ".join(f"ALTER COLUMN {name} TYPE BIGINT" for name in narrow)
            connection.execute(text(f"ALTER TABLE {table.name} {made}"))


def _add_column(connection: Connection, table: Table, column: Column[Any]) -> None:
    made = CreateColumn(column).compile(dialect=connection.dialect)
    try:
        with connection.begin_nested():
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {made}"))
    except DBAPIError:  # another process was faster
        if column.name not in {known["name"] for known in inspect(connection).get_columns(table.name)}:
            raise


def upsert(engine: Engine, table: Table) -> Any:
    """An insert statement whose `on_conflict_do_update` both databases understand."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
