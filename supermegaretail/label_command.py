"""`python -m supermegaretail label`: what the next training would learn from decisions; which overrides may go."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from common.labelling.votes import Standing
from common.overrides.agreements import Agreements, sentence
from common.versions.registry import Registry
from supermegaretail.batch_file import SERVICE
from supermegaretail.decisions import functions_of, labels_in_force
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import MOST_FUNCTIONS, Labelled
from supermegaretail.retiring import agreements
from supermegaretail.settings import RetailSettings

COLUMNS = ("function", "coverage", "overlaps", "conflicts", "compared", "accuracy", "by the model")


def run(settings: RetailSettings, state: Engine, table: pl.DataFrame, *, version: str, console: Console) -> Labelled:
    """Shows how those who decided are doing; asks `version` what may go, and keeps that for the overrides' page."""
    history = SalesHistory.build(table)
    assert history.last_day is not None
    now = datetime.now(UTC)
    version, labels = labels_in_force(Registry(settings.registry_dir), state, version=version, now=now)
    made, decisions = labels.labelled(history, history.last_day), labels.decisions
    console.print(_shown(made, left_out=len(decisions.functions(history.last_day)) - len(made.standings)))
    in_force = [one for one in decisions.overrides if one.active(now)]
    in_question, model = functions_of(in_force, [], history.last_day, now=now), labels.forecast_of(history)
    found = [] if model is None else agreements(history, in_question, model, version=version)
    Agreements(state, SERVICE).replace(found)
    for one in found:
        if one.agrees:
            console.print(f"override {one.override_id} may go: {sentence(asdict(one))}")
    return made


def _shown(made: Labelled, *, left_out: int) -> Table:
    title = f"{made.item_days:,} item days with opinions, {made.rows.height:,} of them to learn from"
    older = f"{left_out:,} more are not heard: older than the newest {MOST_FUNCTIONS}, or about nothing that sells"
    table = Table(*COLUMNS, title=title, caption=older if left_out else None)
    for one, by_model in zip(made.standings, made.accuracy, strict=True):
        table.add_row(*_cells(one), f"{by_model:.2f}")
    return table


def _cells(one: Standing) -> list[str]:
    accuracy = "" if one.accuracy is None else f"{one.accuracy:.2f}"
    shares = [f"{share:.0%}" for share in (one.coverage, one.overlaps, one.conflicts)]
    return [one.name, *shares, f"{one.compared:,}", accuracy]
