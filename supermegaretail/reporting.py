"""What Supermegaretail adds to the report of a day: how good its forecasts were, as far as the sales are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Engine

from common.daily.tables import Cell, Sources, Table
from supermegaretail.monitoring.alarms import added_up, figures
from supermegaretail.monitoring.outcome_store import WINDOW_DAYS, OutcomeStore
from supermegaretail.override_rules import for_commands
from supermegaretail.settings import RetailSettings

HEADS = ("tier and version", "forecasts", "WAPE", "bias", "error ÷ moving average's", "coverage by quantile")


def settings() -> RetailSettings:
    return RetailSettings()


def sources() -> Sources:
    return Sources("supermegaretail", quality, for_commands()[1].sentence)


def quality(engine: Engine, day: date) -> Sequence[Table]:
    """Forecasts for the last weeks whose sales were known on that day, or for the newest that are."""
    store = OutcomeStore(engine)
    newest = store.newest_day()
    until = day if newest is None else min(day, newest)
    totals = added_up(store.sums(until=until), by=(0, 1))
    rows: list[Sequence[Cell]] = []
    for (tier, version), sums in sorted(totals.items()):
        told = figures(sums).as_json()
        coverage = ", ".join(f"{level}: {share:.3f}" for level, share in sorted(told["coverage"].items()))
        name = f"{tier} {version}".strip()
        rows.append((name, told["forecasts"], told["wape"], told["bias"], told["error_to_average"], coverage or None))
    note = f"Forecasts for the {WINDOW_DAYS} days up to {until.isoformat()}, the last one whose sales have arrived."
    if not rows:
        note = "No forecast of these weeks has met its sales yet."
    return [Table("quality", "Forecasts against sales", HEADS, rows, note)]
