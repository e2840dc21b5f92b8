"""A file that can only be read and a disk without space are what SQLite takes them for."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loadtests.inside.mounts import can_mount, filled, only_to_be_read, size_of, small_disk


def database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    return connection


def test_a_database_that_can_only_be_read_is_one_for_sqlite_too(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    database(path).close()
    with only_to_be_read(path):
        with closing(database(path)) as connection, pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("INSERT INTO t VALUES (1)")
        assert caught.value.sqlite_errorcode == sqlite3.SQLITE_READONLY
    with closing(database(path)) as connection:
        connection.execute("INSERT INTO t VALUES (1)")


@pytest.mark.skipif(not can_mount(), reason="a small disk is mounted by root alone")
def test_on_a_disk_that_is_full_a_database_is_full_and_a_file_has_no_space(tmp_path: Path) -> None:
    with small_disk(tmp_path, 1 << 20):
        connection = database(tmp_path / "state.sqlite3")
        with filled(tmp_path):
            with pytest.raises(sqlite3.OperationalError) as caught:
                connection.execute("INSERT INTO t VALUES (zeroblob(200000))")
            assert caught.value.sqlite_errorcode == sqlite3.SQLITE_FULL
            with pytest.raises(OSError, match="No space") as refused:
                (tmp_path / "picture.jpg").write_bytes(b"x")
            assert refused.value.errno == errno.ENOSPC
        connection.execute("INSERT INTO t VALUES (1)")
        assert size_of(tmp_path) > 0
        connection.close()
    assert list(tmp_path.iterdir()) == []
