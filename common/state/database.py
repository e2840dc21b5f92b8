"""The state database: SQLite under VAR_DIR on one machine, PostgreSQL where several share it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table, create_engine, event, func, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from common.settings import ServiceSettings

BUSY_TIMEOUT_MS = 2_000  # how long a writer waits for another one
STATE_FILE = "state.sqlite3"  # under VAR_DIR
CREATION_LOCK = 0x6D7572706879  # "murphy": any number that nobody else in this database locks


def open_state(settings: ServiceSettings) -> Engine:
    """A pool of connections to the state database, which is made where it does not exist."""
    if settings.database_url is not None and not settings.database_url.startswith("sqlite"):
        return create_engine(
            settings.database_url, pool_size=4, max_overflow=4, pool_timeout=2, pool_pre_ping=True, hide_parameters=True
        )
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    url = settings.database_url or f"sqlite:///{settings.var_dir / STATE_FILE}"
    # hide_parameters: an error message, and so a log, never holds what was stored
    connect_args = {"timeout": BUSY_TIMEOUT_MS / 1000}
    engine = create_engine(url, connect_args=connect_args, pool_timeout=2, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def create_tables(engine: Engine, metadata: MetaData) -> None:
    """Makes the tables of `metadata` that do not exist yet; many processes may do so at the same moment."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # its IF NOT EXISTS alone fails when two find that nothing exists
            connection.execute(select(func.pg_advisory_xact_lock(CREATION_LOCK)))
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))


def add_missing_columns(engine: Engine, metadata: MetaData) -> None:
    """Adds the nullable columns that a table of an earlier version lacks; many processes may do so at once."""
    for table in metadata.sorted_tables:
        there = {column["name"] for column in inspect(engine).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there and column.nullable:
                _add_column(engine, table, column)


def _add_column(engine: Engine, table: Table, column: Column[Any]) -> None:
    made = CreateColumn(column).compile(dialect=engine.dialect)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {made}"))
    except DBAPIError:  # another process was faster
        if column.name not in {known["name"] for known in inspect(engine).get_columns(table.name)}:
            raise


def upsert(engine: Engine, table: Table) -> Any:
    """An insert statement whose `on_conflict_do_update` both databases understand."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: what was acknowledged survives a power cut, not only a crash of the process.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
