"""The state database: what many replicas do at the same moment."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, Index, Integer, MetaData, String, Table, inspect, text
from sqlalchemy.exc import OperationalError

from common.settings import ServiceSettings
from common.state.database import create_tables, open_state
from common.state.patience import unhurried
from tests.postgres_server import postgres_server

REPLICAS = 12
ROUNDS = 4


def some_tables(round_: int) -> MetaData:
    """Names that no round before has made."""
    metadata = MetaData()
    for place in range(3):
        columns = Column("id", Integer, primary_key=True), Column("name", String(20))
        table = Table(f"table_{round_}_{place}", metadata, *columns)
        Index(f"by_name_{round_}_{place}", table.c.name)
    return metadata


def all_at_once(url: str | None, var_dir: Path) -> None:
    """Replicas that start together, each with connections of its own, make the same tables."""
    engines = [open_state(ServiceSettings(var_dir=var_dir, database_url=url)) for _ in range(REPLICAS)]
    together = Barrier(REPLICAS)

    def start(engine: Engine, metadata: MetaData) -> None:
        engine.connect().close()
        together.wait(30)
        create_tables(engine, metadata)

    with ThreadPoolExecutor(REPLICAS) as pool:
        for round_ in range(ROUNDS):
            metadata = some_tables(round_)
            for started in [pool.submit(start, engine, metadata) for engine in engines]:
                started.result(60)
            assert metadata.tables.keys() <= set(inspect(engines[0]).get_table_names())
    for engine in engines:
        engine.dispose()


def test_replicas_that_start_at_the_same_moment_all_find_their_tables_in_postgresql(tmp_path: Path) -> None:
    with postgres_server() as url:
        all_at_once(url, tmp_path)


def test_processes_that_start_at_the_same_moment_all_find_their_tables_in_sqlite(tmp_path: Path) -> None:
    all_at_once(None, tmp_path)


def test_a_server_that_falls_silent_amid_a_statement_is_given_up_and_the_next_statement_works(tmp_path: Path) -> None:
    with postgres_server() as url:
        engine = open_state(ServiceSettings(var_dir=tmp_path, database_url=url))
        with engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.silent_s = 1.0
            paused: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            os.kill(paused, signal.SIGSTOP)
            try:
                since_s = time.monotonic()
                with pytest.raises(OperationalError, match="silent for 1 s"):
                    connection.execute(text("SELECT 1"))
                assert time.monotonic() - since_s < 10
            finally:
                os.kill(paused, signal.SIGCONT)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 2")).scalar_one() == 2
        engine.dispose()


def test_statements_and_waits_for_locks_are_bounded_unless_the_url_or_upkeep_says_otherwise(tmp_path: Path) -> None:
    def told(connection: Connection) -> tuple[str, ...]:
        return tuple(connection.execute(text(f"SHOW {name}_timeout")).scalar_one() for name in ("statement", "lock"))

    with postgres_server() as url:
        ours = open_state(ServiceSettings(var_dir=tmp_path, database_url=url))
        with ours.connect() as connection:
            assert told(connection) == ("30s", "5s")
            with unhurried(connection):
                assert told(connection) == ("0", "5s")
            assert told(connection) == ("30s", "5s")
        own = f"{url}?options=-c%20statement_timeout%3D70s%20-c%20search_path%3Dpublic&keepalives_idle=9"
        theirs = open_state(ServiceSettings(var_dir=tmp_path, database_url=own))
        with theirs.connect() as connection:
            assert told(connection) == ("70s", "5s")
            assert connection.execute(text("SHOW search_path")).scalar_one() == "public"
        for engine in (ours, theirs):
            engine.dispose()
