"""The state database: what many replicas do at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sqlalchemy import Column, Engine, Index, Integer, MetaData, String, Table, inspect

from common.settings import ServiceSettings
from common.state.database import create_tables, open_state
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
