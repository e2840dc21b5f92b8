"""`python -m supermegaretail label`: what the next training would learn from decisions; which overrides may go."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from common.command_line import by_the_way
from common.labelling.votes import Standing
from common.state.database import open_state
from common.versions.registry import Registry
from common.versions.slots import CHAMPION
from supermegaretail.book import whole_table
from supermegaretail.decisions import labels_in_force
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import MOST_FUNCTIONS, Labelled
from supermegaretail.ledger import Ledger
from supermegaretail.retiring import propose
from supermegaretail.settings import RetailSettings

COLUMNS = ("function", "coverage", "overlaps", "conflicts", "compared", "accuracy", "by the model")


def run(settings: RetailSettings, state: Engine, table: pl.DataFrame, *, version: str, console: Console) -> Labelled:
    """Shows how those who decided are doing; asks `version` what may go, and keeps that for the overrides' page."""
    history = SalesHistory.build(table)
    assert history.last_day is not None
    registry = Registry(settings.registry_dir)
    _, labels = labels_in_force(registry, state, version=version, now=datetime.now(UTC))
    made, decisions = labels.labelled(history, history.last_day), labels.decisions
    console.print(_shown(made, left_out=len(decisions.functions(history.last_day)) - len(made.standings)))
    for line in propose(registry, state, history, version=version):
        console.print(line)
    return made


def propose_of_champion(settings: RetailSettings) -> None:
    """Prints which overrides may go by what the champion says. That it can't be found out fails no release."""
    with by_the_way("which overrides may go", command="python -m supermegaretail label"):
        state = open_state(settings)
        history = SalesHistory.build(whole_table(settings.table_path, Ledger(state)))
        for line in propose(Registry(settings.registry_dir), state, history, version=CHAMPION):
            print(line)


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
