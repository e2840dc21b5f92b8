"""Deleted rows leave their bytes in a database's file: here they go, too.

SQLite overwrites what is deleted (`secure_delete`), and its write-ahead log is emptied here. The whole file is written
anew (VACUUM) only if bytes are found in it all the same: while that lasts nobody can write. PostgreSQL writes each
changed table anew (VACUUM FULL), which locks it; larger tables get a plain VACUUM, after which bytes stay in free space
until something is written over them. Its own log (WAL) is recycled by the server.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from common.state.patience import unhurried

LARGEST_REWRITTEN_BYTES = 512 * 2**20  # of a PostgreSQL table
LONGEST_LOCK_WAIT_MS = 2_000
TRIES, TRY_EVERY_S = 20, 0.25  # while others read and write


def empty_log(engine: Engine) -> bool:
    """SQLite's write-ahead log has no bytes any more; False if somebody reads or writes at this very moment."""
    if engine.dialect.name != "sqlite":
        return True
    with engine.connect() as connection:
        busy = int(connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0])
        return busy == 0


def emptied_log(engine: Engine) -> bool:
    """Likewise, with patience; False if somebody was in the way all the time."""
    for _ in range(TRIES):
        if empty_log(engine):
            return True
        time.sleep(TRY_EVERY_S)
    return False


def rewrite_file(engine: Engine) -> None:
    """Writes an SQLite file anew, without anything that was deleted; takes seconds per gigabyte."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))
    empty_log(engine)


def compact_tables(engine: Engine, tables: Collection[str]) -> list[str]:
    """PostgreSQL: writes these tables anew; those that it could not, too large or in use, got a plain VACUUM."""
    if engine.dialect.name != "postgresql":
        return []
    left = []
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = {LONGEST_LOCK_WAIT_MS}"))
        quoted = {name: connection.dialect.identifier_preparer.quote(name) for name in sorted(tables)}
        with unhurried(connection):
            for name, table in quoted.items():
                size = connection.execute(text("SELECT pg_total_relation_size(to_regclass(:name))"), {"name": table})
                if (size.scalar() or 0) <= LARGEST_REWRITTEN_BYTES and _vacuumed(connection, f"VACUUM (FULL) {table}"):
                    continue
                left.append(name)
                _vacuumed(connection, f"VACUUM {table}")
        connection.execute(text("RESET lock_timeout"))
    return left


def _vacuumed(connection: Connection, statement: str) -> bool:
    try:
        connection.execute(text(statement))
    except DBAPIError:  # somebody holds the table for too long
        return False
    return True
