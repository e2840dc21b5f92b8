"""What a batch costs beside what nobody can save: LightGBM's own `predict` of the same rows, measured in turn with it.

Every size runs in a process of its own, on one core: its memory is its own, and nothing is left over from another.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from common.progress import Reporter
from common.versions.registry import Registry
from supermegaretail.batch import SERIES_AT_ONCE, Batch
from supermegaretail.batch_file import write
from supermegaretail.features import EXTENDED, Floats, core_design, correction_design, per_target_day
from supermegaretail.history import SalesHistory
from supermegaretail.models import Models, read
from supermegaretail.panel import Key

AT_MOST = 2.0  # times the bare predictions


@dataclass(frozen=True, slots=True)
class Figures:
    """One size: medians over the rounds, and the highest memory before the bare predictions."""

    asked: int  # series
    series: int  # as many as there are
    rows: int
    corrected_share: float  # of the series
    prepare_s: float  # all states, which happens once, before any batch
    batch_s: float
    predict_s: float
    ratio: float  # median of the rounds' own ratios
    memory_mb: float


def measure(
    table_path: Path, registry_dir: Path, *, series: int, horizon_days: int, levels: Sequence[float], rounds: int
) -> Figures:
    """The figures of the first `series` series, in a fresh process. Raises `RegistryError` without a champion.

    The sales of the last days are hidden, so that there are plans for the days that are forecast.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_measure, table_path, registry_dir, series, horizon_days, levels, rounds).result()


class Silent:
    """A `Reporter` that does not disturb what is measured."""

    def advance(self, n: int = 1) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


def _measure(
    table_path: Path, registry_dir: Path, series: int, horizon_days: int, levels: Sequence[float], rounds: int
) -> Figures:
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    models = read(registry := Registry(registry_dir), registry.resolve("core", "champion"))
    history, prepare_s = _timed(lambda: _history(table_path, series, horizon_days))
    assert history.last_day is not None
    batch = Batch(
        history=history, models=models, as_of=history.last_day, horizon_days=horizon_days, levels=tuple(levels)
    )
    keys = sorted(history.panel.places)
    silent: Reporter = Silent()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.parquet"
        written = write(batch, keys, path, threads=1, report=silent)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        predict = _bare(models, batch, keys)
        times = [
            (_timed(lambda: write(batch, keys, path, threads=1, report=silent))[1], _timed(predict)[1])
            for _ in range(rounds)
        ]
    return Figures(
        asked=series,
        series=len(keys),
        rows=len(keys) * horizon_days,
        corrected_share=written.served_by.get("correction", 0) / len(keys),
        prepare_s=prepare_s,
        batch_s=statistics.median(batch_s for batch_s, _ in times),
        predict_s=statistics.median(predict_s for _, predict_s in times),
        ratio=statistics.median(batch_s / predict_s for batch_s, predict_s in times),
        memory_mb=memory_mb,
    )


def _history(table_path: Path, series: int, horizon_days: int) -> SalesHistory:
    """Of the first series by name; the sales of the last `horizon_days` are forgotten, what was planned is not."""
    rows = pl.scan_parquet(table_path)
    chosen = rows.select("store", "sku").unique().sort("store", "sku").head(series)
    table = rows.join(chosen, on=["store", "sku"], how="semi").collect(engine="streaming").sort("store", "sku", "date")
    last_day = table.filter(pl.col("sales").is_not_null())["date"].max()
    hidden = pl.col("date") > pl.lit(last_day) - timedelta(days=horizon_days)
    known = [name for name in ("sales", "stockout_hours") if name in table.columns]
    return SalesHistory.build(table.with_columns(pl.when(~hidden).then(name).alias(name) for name in known))


def _bare(models: Models, batch: Batch, keys: Sequence[Key]) -> Callable[[], None]:
    """LightGBM alone on the rows of the batch, once with each model."""
    import lightgbm

    core, correction = (np.concatenate(parts) for parts in zip(*_designs(batch, keys), strict=True))
    asked: list[tuple[Any, Floats]] = [(lightgbm.Booster(model_str=models.core.trees.text), core)]
    if models.correction is not None:
        asked.append((lightgbm.Booster(model_str=models.correction.trees.text), correction))

    def predict() -> None:
        for booster, rows in asked:
            booster.predict(rows, raw_score=True, num_threads=1)

    return predict


def _designs(batch: Batch, keys: Sequence[Key]) -> Iterator[tuple[Floats, Floats]]:
    for start in range(0, len(keys), SERIES_AT_ONCE):
        some = keys[start : start + SERIES_AT_ONCE]
        inputs = batch.history.inputs(some, as_of=batch.as_of, horizon_days=batch.horizon_days)
        core = core_design(*per_target_day(inputs.stable, as_of=batch.as_of, horizon_days=batch.horizon_days))
        yield core, correction_design(core, inputs.extended.reshape(-1, len(EXTENDED)))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started_s = time.perf_counter()
    done = work()
    return done, time.perf_counter() - started_s
