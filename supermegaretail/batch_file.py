"""`python -m supermegaretail forecast`: a chain's batch from the registry and the state database to a parquet file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from common.chain.switches import Switchboard
from common.durable import put_in_place
from common.overrides.uses import OverrideUses
from common.progress import Reporter
from common.state.overrides import OverrideStore
from common.state.switch_store import SwitchStore
from common.versions.registry import Registry, RegistryError, UnknownVersion
from common.versions.slots import CHAMPION
from supermegaretail.batch import Batch
from supermegaretail.batch_story import schema
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.events.desk import SCOPE as EVENTS
from supermegaretail.events.desk import planned
from supermegaretail.history import SalesHistory
from supermegaretail.models import Models, read
from supermegaretail.overriding import Overrides
from supermegaretail.panel import Key

SERVICE = "supermegaretail"


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a batch: series by the tier that serves them, and by the reason why no better one does."""

    served_by: Mapping[str, int]
    reasons: Mapping[str, int]


def models_of(registry: Registry, version: str) -> tuple[Models | None, str | None]:
    """The models of a core version or alias; without a usable champion none, and why. `RegistryError` for others."""
    try:
        return read(registry, registry.resolve("core", version)), None
    except UnknownVersion as error:
        if version != CHAMPION:
            raise
        return None, str(error)
    except (RegistryError, ValueError) as error:  # damaged, or made for other features
        if version != CHAMPION:
            raise RegistryError(str(error)) from error
        return None, str(error)


def batch_of(
    history: SalesHistory,
    models: Models | None,
    registry: Registry,
    state: Engine,
    *,
    as_of: date,
    horizon_days: int,
    levels: Sequence[float] = (),
    constant_demand: float = 0.0,
) -> Batch:
    """A batch that heeds what the API heeds: overrides and switches in force, and drift of the inputs."""
    now, known, known_events = datetime.now(UTC), OverrideStore(state, SERVICE), OverrideStore(state, EVENTS)
    switched = SwitchStore(state, SERVICE).active()
    switches = Switchboard(lambda: switched)
    drift = DriftWatch(registry, lambda: history, switches, metrics=CollectorRegistry())
    drift.refresh()
    return Batch(
        history=history,
        models=models,
        as_of=as_of,
        horizon_days=horizon_days,
        overrides=Overrides.of(known.in_force(now=now)),
        uses=OverrideUses(known),
        events=planned(known_events, known_events.in_force(now=now)),
        switches=switches,
        drift=drift,
        levels=levels,
        constant_demand=constant_demand,
    )


def write(batch: Batch, keys: Sequence[Key], path: Path, *, threads: int, report: Reporter) -> Written:
    """Writes the batch aside, a row group at a time, and puts it in its place when it is whole.

    Then the uses of overrides are stored; if the database does not take them, the log says so.
    """
    served_by, reasons = Counter[str](), Counter[str]()

    def counted() -> Iterator[pl.DataFrame]:
        for table in batch.tables(keys, threads=threads):
            series = table[:: batch.horizon_days]
            served_by.update(series["served_by"].to_list())
            reasons.update(series["reason"].drop_nulls().to_list())
            report.advance(series.height)
            yield table

    with put_in_place(path) as draft:
        _stream(counted(), schema(batch.levels), draft)
    if batch.uses is not None:
        batch.uses.flush()
    return Written(served_by, reasons)


def _stream(tables: Iterable[pl.DataFrame], columns: Mapping[str, pl.DataType], path: Path) -> None:
    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        """polars asks for what it needs; a sink needs all."""
        assert predicate is None
        assert n_rows is None
        for table in tables:
            yield table if with_columns is None else table.select(with_columns)

    register_io_source(source, schema=dict(columns)).sink_parquet(path, maintain_order=True)
