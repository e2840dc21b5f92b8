"""A database that can't be reached at the start, or is not where it was."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import OperationalError

from common.settings import ServiceSettings
from common.state import preparing
from common.state.database import STATE_FILE, create_tables, open_state
from common.state.preparing import prepare
from loadtests.processes import free_port

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("id", Integer, primary_key=True))

ANOTHER_PROCESS = """
import os, sys
from sqlalchemy import text
from common.settings import ServiceSettings
from common.state.database import open_state

with open_state(ServiceSettings(var_dir=sys.argv[1])).begin() as connection:
    connection.execute(text("CREATE TABLE IF NOT EXISTS numbers (id INTEGER PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO numbers VALUES ({sys.argv[2]})"))
os._exit(9)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_state(ServiceSettings(var_dir=tmp_path))


def numbers(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(NUMBERS.c.id).order_by(NUMBERS.c.id)).scalars())


def add(engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(insert(NUMBERS).values(id=number))


def test_a_locked_database_does_not_keep_a_process_from_starting_and_is_prepared_later(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN EXCLUSIVE")
        create_tables(engine, METADATA)
        with pytest.raises(OperationalError):  # at once: it was tried a moment ago
            numbers(engine)
        other.execute("ROLLBACK")
    monkeypatch.setattr(preparing, "TRIED_EVERY_S", 0)
    add(engine, 1)
    assert numbers(engine) == [1]


def test_a_server_that_is_not_there_does_not_keep_a_process_from_starting() -> None:
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    engine = open_state(ServiceSettings(database_url=url))
    create_tables(engine, METADATA)
    with pytest.raises(OperationalError):
        numbers(engine)


def test_steps_are_done_in_their_order_and_once(engine: Engine) -> None:
    done: list[str] = []

    def step(name: str, connection: Connection) -> None:
        done.append(name)

    prepare(engine, lambda connection: step("first", connection))
    prepare(engine, lambda connection: step("second", connection))
    engine.connect().close()
    assert done == ["first", "second"]


def test_a_step_may_come_while_other_threads_use_the_database(engine: Engine) -> None:
    ended = threading.Event()

    def use() -> None:
        while not ended.is_set():
            numbers(engine)

    create_tables(engine, METADATA)
    with ThreadPoolExecutor(3) as threads:
        users = [threads.submit(use) for _ in range(3)]
        try:
            for _ in range(100):
                prepare(engine, lambda connection: None)
        finally:
            ended.set()
        for user in users:
            user.result()


def test_our_own_mistake_in_a_step_is_raised(engine: Engine) -> None:
    def wrong(connection: Connection) -> None:
        raise KeyError("mistake")

    with pytest.raises(KeyError):
        prepare(engine, wrong)


def test_a_file_that_was_moved_away_is_not_replaced_by_an_empty_one(engine: Engine, tmp_path: Path) -> None:
    create_tables(engine, METADATA)
    add(engine, 1)
    path, away = tmp_path / STATE_FILE, tmp_path / "away"
    path.rename(away)
    with pytest.raises(OperationalError):
        add(engine, 2)
    assert not path.exists()
    away.rename(path)
    add(engine, 3)
    assert numbers(engine) == [1, 3]


def started(var_dir: Path, number: int) -> int:
    """The exit code of another process that adds a number and is killed."""
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(var_dir), str(number)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def test_a_process_that_starts_while_the_file_is_away_makes_no_empty_one_and_loses_nothing(tmp_path: Path) -> None:
    path, away = tmp_path / STATE_FILE, tmp_path / "away"
    assert started(tmp_path, 1) == 9
    path.rename(away)
    assert started(tmp_path, 2) == 1
    assert not path.exists()
    path.touch()  # somebody else's empty one
    assert started(tmp_path, 2) == 1
    away.rename(path)
    assert started(tmp_path, 3) == 9
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    assert numbers(engine) == [1, 3]
    engine.dispose()


def test_nothing_is_written_into_a_strange_file_that_lies_where_ours_was(engine: Engine, tmp_path: Path) -> None:
    create_tables(engine, METADATA)
    add(engine, 1)
    path, away = tmp_path / STATE_FILE, tmp_path / "away"
    path.rename(away)
    with closing(sqlite3.connect(tmp_path / "strange")) as strange:
        strange.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY)")
    (tmp_path / "strange").rename(path)
    with pytest.raises(OperationalError):
        add(engine, 2)
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as strange:
        assert strange.execute("SELECT * FROM numbers").fetchall() == []
    away.rename(path)
    add(engine, 3)
    assert numbers(engine) == [1, 3]


def test_a_database_of_before_is_taken_on_and_a_copy_of_everything_is_as_good(tmp_path: Path) -> None:
    (old := tmp_path / "old").mkdir()
    with closing(sqlite3.connect(old / STATE_FILE)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO numbers VALUES (1)")
        database.commit()
        first = open_state(ServiceSettings(var_dir=old))
        add(first, 2)
        first.dispose()
    shutil.copytree(old, tmp_path / "copy")
    for var_dir in (old, tmp_path / "copy"):
        again = open_state(ServiceSettings(var_dir=var_dir))
        add(again, 3)
        assert numbers(again) == [1, 2, 3]
        again.dispose()
    (tmp_path / "copy" / STATE_FILE).unlink()
    with pytest.raises(OperationalError):
        open_state(ServiceSettings(var_dir=tmp_path / "copy")).connect()


def test_a_new_connection_takes_no_locks_from_those_that_are_at_work(engine: Engine, tmp_path: Path) -> None:
    create_tables(engine, METADATA)
    with closing(sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        open_state(ServiceSettings(var_dir=tmp_path)).connect().close()
        program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        command = [sys.executable, "-c", program, str(tmp_path / STATE_FILE)]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "database is locked" in other.stderr
