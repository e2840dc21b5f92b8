"""The file of an SQLite database: made once, and never replaced by an empty or a strange one.

A connection goes on writing to a file that was moved away, and a new one would make an empty file in its place, for
which SQLite throws the left-over log away: what was acknowledged is lost when the file comes back. So a number drawn by
lot is kept in the file (SQLite's `application_id`) and beside it. While there is one beside it, only the file of that
number is opened and none is made, by whichever process. Every connection that is handed out is compared with what lies
at the path.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

FILE = "file"  # of a pooled connection: device and inode
NUMBER = ".id"  # the ending of the file that keeps the number
LOOKS, LOOK_AGAIN_S = 5, 0.02
LOGS = "-wal", "-shm"  # without their database: it was moved away


class SqliteFile:
    """The file behind an engine; `watch` makes the engine obey. A database in memory has none."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        name = engine.url.database
        in_memory = name in (None, "", ":memory:") or str(name).startswith("file:")
        self._path = None if in_memory else Path(str(name)).absolute()

    def watch(self) -> None:
        event.listen(self._engine, "connect", self._connected)
        if self._path is not None:
            event.listen(self._engine, "do_connect", self._open)
            event.listen(self._engine, "checkout", self._still_there)

    def _open(self, _dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        assert self._path is not None
        try:
            is_new = not any(_beside(self._path, ending).exists() for ending in (NUMBER, *LOGS))
            if is_new:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            elif (number := _kept_number(self._path)) is not None and number != _number_in(self._path):
                raise sqlite3.OperationalError("this is not the state database that was here")
        except OSError as error:
            raise sqlite3.OperationalError(f"the state database: {error.strerror}") from error
        arguments[0], options["uri"] = _uri(self._path, "mode=rwc" if is_new else "mode=rw"), True

    def _connected(self, connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: what was acknowledged survives a power cut, not only a crash of the process.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, whichever SQLite this is
        cursor.close()
        if self._path is not None and _kept_number(self._path) is None:
            with suppress(sqlite3.OperationalError, OSError):  # the next connection tries again
                _keep_number(self._path, connection)
        record.info[FILE] = self._stamp()

    def _still_there(self, _connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get(FILE) != self._stamp():
            raise DisconnectionError("the state file was moved away")  # the pool opens the same database, or fails

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_dev, status.st_ino)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _uri(path: Path, options: str) -> str:
    return f"file:{quote(str(path))}?{options}"


def _number_in(path: Path) -> int:
    """Of the file itself. Immutable: its log is neither read nor thrown away, whatever this file may be.

    By SQLite, for whoever opens and closes the file otherwise gives up the locks that this process has on it. While
    another writes into it, it may look damaged for a moment.
    """
    looks = 0
    while True:
        try:
            with closing(sqlite3.connect(_uri(path, "mode=ro&immutable=1"), uri=True)) as database:
                return int(database.execute("PRAGMA application_id").fetchone()[0])
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            looks += 1
            if looks == LOOKS:
                raise sqlite3.OperationalError(f"the state database: {error}") from error
        time.sleep(LOOK_AGAIN_S)


def _kept_number(path: Path) -> int | None:
    try:
        return int(_beside(path, NUMBER).read_text())
    except (OSError, ValueError):
        return None


def _keep_number(path: Path, connection: sqlite3.Connection) -> None:
    """Once the number is in the file, not only in its log; of processes that start together the first one draws it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        if (number := int(connection.execute("PRAGMA application_id").fetchone()[0])) == 0:
            number = secrets.randbelow(2**31 - 1) + 1
            connection.execute(f"PRAGMA application_id={number}")
        connection.commit()
    finally:
        connection.rollback()
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    if _number_in(path) == number:
        draft = _beside(path, f"{NUMBER}.{secrets.token_hex(4)}")
        draft.write_text(str(number))
        draft.replace(_beside(path, NUMBER))
