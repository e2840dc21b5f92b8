"""`python -m supermegaretail forecast` and `benchmark`: what is typed, in words, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import Failed
from common.progress import progress
from common.state.database import open_state
from common.versions.registry import Registry, RegistryError
from supermegaretail.batch_file import Written, batch_of, models_of, write
from supermegaretail.benchmark import AT_MOST, Figures, measure
from supermegaretail.contract import TIERS
from supermegaretail.history import SalesHistory
from supermegaretail.settings import RetailSettings


def forecast(
    settings: RetailSettings,
    table: pl.DataFrame,
    *,
    stores: Sequence[str],
    version: str,
    as_of: date | None,
    horizon_days: int,
    levels: Sequence[float],
    out: Path,
    threads: int,
) -> str:
    """Forecasts every series of `stores`, or of all if none is named; a summary in words. Raises `Failed`."""
    registry = Registry(settings.registry_dir)
    with progress("preparing the sales"):
        history = SalesHistory.build(table)
    last_day = as_of or history.last_day
    if last_day is None:
        raise Failed("not one day of sales is known")
    try:
        models, trouble = models_of(registry, version)
    except RegistryError as error:
        raise Failed(str(error)) from error
    keys = sorted(key for key in history.panel.places if not stores or key[0] in stores)
    if unknown := sorted({*stores} - {store for store, _ in keys}):
        raise Failed(f"there is no store {', '.join(map(repr, unknown))}")
    batch = batch_of(
        history,
        models,
        registry,
        open_state(settings),
        as_of=last_day,
        horizon_days=horizon_days,
        levels=levels,
        constant_demand=settings.constant_demand,
    )
    with progress("forecasting", len(keys)) as report:
        written = write(batch, keys, out, threads=threads, report=report)
    told = [] if trouble is None else [f"no model serves, the moving average answers: {trouble}"]
    return "\n".join([*told, f"{out}: {len(keys):,} series × {horizon_days} days after {last_day}", *_words(written)])


def benchmark(
    settings: RetailSettings, *, series: Sequence[int], horizon_days: int, levels: Sequence[float], rounds: int
) -> bool:
    """Measures each size and shows a table; whether all cost at most `AT_MOST` times the bare predictions. `Failed`."""
    if not settings.table_path.exists():
        raise Failed("no sales are known yet: run `data demo` or `data import FILE` first")
    found: list[Figures] = []
    for size in sorted({*series}):
        if found and found[-1].series < found[-1].asked:
            break  # that was the whole chain
        try:
            with progress(f"measuring {size:,} series"):
                found.append(
                    measure(
                        settings.table_path,
                        settings.registry_dir,
                        series=size,
                        horizon_days=horizon_days,
                        levels=levels,
                        rounds=rounds,
                    )
                )
        except (RegistryError, ValueError) as error:
            raise Failed(f"{error}: run `train` first") from error
    Console().print(_shown(found))
    return all(one.ratio <= AT_MOST for one in found)


def _words(written: Written) -> list[str]:
    served = [f"  {tier}: {written.served_by[tier]:,}" for tier in TIERS if tier in written.served_by]
    reasons = sorted(written.reasons.items(), key=lambda counted: -counted[1])
    return ["served by", *served, *(["because of"] if reasons else []), *(f"  {why}: {n:,}" for why, n in reasons)]


def _shown(found: Sequence[Figures]) -> Table:
    names = ("series", "rows", "corrected", "prepare s", "batch s", "bare s", "ratio", "µs/row", "MB")
    table = Table(
        *names, box=SIMPLE_HEAD, caption=f"one core; ratio: batch to bare predictions, at most {AT_MOST}; MB: peak"
    )
    for one in found:
        table.add_row(
            f"{one.series:,}",
            f"{one.rows:,}",
            f"{one.corrected_share:.0%}",
            f"{one.prepare_s:.2f}",
            f"{one.batch_s:.2f}",
            f"{one.predict_s:.2f}",
            f"{one.ratio:.2f}",
            f"{1e6 * one.batch_s / one.rows:.1f}",
            f"{one.memory_mb:.0f}",
        )
    return table
