"""`python -m supermegaretail label`: what people decided becomes rows for the next training; what may go is told."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from common.durable import put_in_place
from common.labelling.votes import Standing
from common.overrides.agreements import Agreements, sentence
from common.state.overrides import OverrideStore
from common.versions.registry import Registry
from supermegaretail.batch_file import SERVICE, batch_of, models_of
from supermegaretail.events.desk import SCOPE as EVENTS
from supermegaretail.events.planned import PlannedEvents
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import Forecast, Labelled, functions_of, label
from supermegaretail.overriding import Overrides
from supermegaretail.panel import Key
from supermegaretail.retiring import agreements
from supermegaretail.settings import RetailSettings


def run(settings: RetailSettings, state: Engine, table: pl.DataFrame, *, version: str, console: Console) -> Labelled:
    """Writes the labels, for `train`, or takes away old ones where there are none; asks `version` what may go."""
    history = SalesHistory.build(table)
    assert history.last_day is not None
    now, kept, planned = datetime.now(UTC), OverrideStore(state, SERVICE), OverrideStore(state, EVENTS)
    in_force, events = kept.in_force(now=now), [*planned.in_force(now=now), *planned.past(now=now)]
    version, model = _model(settings, state, history, version)
    functions = functions_of([*in_force, *kept.past(now=now)], events, history.last_day)
    made = label(history, functions, model)
    _write(settings, made.rows)
    console.print(_shown(made))
    in_question = functions_of(in_force, [], history.last_day)
    found = [] if model is None else agreements(history, in_question, model, version=version)
    Agreements(state, SERVICE).replace(found)
    for one in found:
        if one.agrees:
            console.print(f"override {one.override_id} may go: {sentence(asdict(one))}")
    return made


def _model(settings: RetailSettings, state: Engine, history: SalesHistory, name: str) -> tuple[str, Forecast | None]:
    """The version behind a name, and its forecasts without overrides and events; None while there is none."""
    registry = Registry(settings.registry_dir)
    models, _ = models_of(registry, name)
    if models is None:
        return name, None

    def forecast(items: list[Key], as_of: date, days: int) -> Floats:
        batch = batch_of(history, models, registry, state, as_of=as_of, horizon_days=days)
        made = replace(batch, overrides=Overrides(), events=PlannedEvents()).table(items)
        return made["demand"].to_numpy().astype(np.float64).reshape(len(items), days)

    return models.core_version, forecast


def _write(settings: RetailSettings, rows: pl.DataFrame) -> None:
    path = settings.labels_path
    if rows.is_empty():
        path.unlink(missing_ok=True)
        return
    with put_in_place(path) as draft:
        rows.write_parquet(draft)


def _shown(made: Labelled) -> Table:
    title = f"{made.points:,} item days with opinions, {made.rows.height:,} of them to learn from"
    table = Table("function", "coverage", "overlaps", "conflicts", "compared", "accuracy", "by the model", title=title)
    by_model = [] if made.model is None else made.model.accuracy().tolist()
    for one, estimated in zip(made.standings, by_model, strict=True):
        table.add_row(*_cells(one), f"{estimated:.2f}")
    return table


def _cells(one: Standing) -> list[str]:
    accuracy = "" if one.accuracy is None else f"{one.accuracy:.2f}"
    return [
        one.name,
        *(f"{share:.0%}" for share in (one.coverage, one.overlaps, one.conflicts)),
        f"{one.compared:,}",
        accuracy,
    ]
