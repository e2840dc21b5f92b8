"""Rolling origins: models trained anew before each, asked about the days after it, and measured."""

from __future__ import annotations

import time
import zlib
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from common.progress import progress
from supermegaretail.evaluation.cases import cases
from supermegaretail.evaluation.measures import wape
from supermegaretail.evaluation.measuring import Findings, measure, parts_of, some
from supermegaretail.evaluation.outcome import Outcome, origins, outcome
from supermegaretail.evaluation.peers import CLASSICS, Asked, ask_peers, missing
from supermegaretail.evaluation.report import Case, Report
from supermegaretail.evaluation.slices import categories_of, slices
from supermegaretail.evaluation.tiers import AVERAGE, MA7, MA28, OWN, Made, forecasts
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.series import Ints

if TYPE_CHECKING:
    from supermegaretail.training import Trained

PEER_SERIES = 500


def errors_at(history: SalesHistory, trained: Trained, *, as_of: date) -> dict[str, float]:
    """WAPE of each tier over the 28 days after `as_of`."""
    happened = outcome(history, as_of=as_of, horizon_days=MAX_HORIZON_DAYS)
    made = forecasts(history, trained, happened.items, as_of=as_of, horizon_days=MAX_HORIZON_DAYS, quantiles=False)
    return {tier: wape(happened.sold, one.demand) for tier, one in made.items()}


def evaluate(
    table: pl.DataFrame,
    *,
    horizon_days: int = MAX_HORIZON_DAYS,
    origin_count: int = 3,
    seed: int = 1,
    threads: int = 2,
    rows: int | None = None,
    peers: bool = False,
    peer_series: int = PEER_SERIES,
) -> Report:
    """What each tier is worth on days that the models have not seen.

    For each origin both models are trained anew on what lies before it, from `rows` examples. `peers` also asks other
    people's forecasters, about `peer_series` of the series. Raises `Failed` where there is too little history.
    """
    run = _Run(table, horizon_days=horizon_days, origin_count=origin_count, seed=seed, threads=threads)
    run.all_origins(rows, peer_series if peers else 0)
    return run.report()


class _Run:
    """One evaluation under way."""

    def __init__(self, table: pl.DataFrame, *, horizon_days: int, origin_count: int, seed: int, threads: int) -> None:
        self.table, self.whole = table, SalesHistory.build(table)
        self.horizon_days, self.seed, self.threads = horizon_days, seed, threads
        self.origins = origins(self.whole, horizon_days=horizon_days, count=origin_count)
        self.categories = categories_of(table)
        self.findings = Findings()
        self.spreads: dict[str, dict[str, Floats]] = {}  # by scope and tier, after the origin before
        self.notes: list[str] = []
        self.cases: tuple[Case, ...] = ()
        self.training_cpu_seconds: list[float] = []
        self.sampled = 0

    def all_origins(self, rows: int | None, peer_series: int) -> None:
        if peer_series and missing():
            self.notes.append(f"not installed, so not asked: {', '.join(missing())} (pip install '.[forecast-peers]')")
        for number, origin in enumerate(self.origins, 1):
            trained = self._train(origin, rows)
            with progress(f"origin {number} of {len(self.origins)}, {origin}: forecasting and measuring"):
                happened = outcome(self.whole, as_of=origin, horizon_days=self.horizon_days)
                made = forecasts(self.whole, trained, happened.items, as_of=origin, horizon_days=self.horizon_days)
                self._measure(happened, made, scope="all")
            if peer_series:
                self._sample(happened, made, peer_series)

    def _train(self, origin: date, rows: int | None) -> Trained:
        from supermegaretail.training import fit

        earlier = SalesHistory.build(self.table.filter(pl.col("date") <= origin))
        started = time.process_time()
        trained = fit(earlier, rows=rows, seed=self.seed, threads=self.threads)
        self.training_cpu_seconds.append(time.process_time() - started)
        return trained

    def _sample(self, happened: Outcome, made: dict[str, Made], peer_series: int) -> None:
        rows = drawn(happened, peer_series, self.seed)
        few = some(happened, rows)
        self.sampled = max(self.sampled, len(rows))
        steps = 0 if "statsforecast" in missing() else len(CLASSICS) * len(rows)
        with progress(f"asking peers about {len(rows)} series as of {happened.as_of}", steps) as report:
            asked = Asked(self.whole, few.items, happened.as_of, self.horizon_days)
            answers, notes = ask_peers(asked, seed=self.seed, threads=self.threads, advance=report.advance)
            report.say("measuring")
            self.notes += notes
            self._measure(few, {**{tier: one.of(rows) for tier, one in made.items()}, **answers}, scope="sample")

    def _measure(self, happened: Outcome, made: dict[str, Made], *, scope: str) -> None:
        found = slices(happened, self.categories)
        self.spreads[scope] = measure(
            self.findings,
            happened,
            made,
            parts_of(happened, found),
            scope=scope,
            earlier=self.spreads.get(scope, {}),
            judged=happened.as_of != self.origins[0] or len(self.origins) == 1,
        )
        if happened.as_of == self.origins[-1]:
            self.cases = cases(happened, made, found)  # of the sample, where there is one: with the peers' curves

    def report(self) -> Report:
        """The means over the origins."""
        tables = {one.name: _mean(getattr(self.findings, one.name)) for one in fields(Findings)}
        tables["figures"] = _with_ratios(tables["figures"])
        return Report(
            origins=tuple(self.origins),
            horizon_days=self.horizon_days,
            seed=self.seed,
            series=len(self.whole.panel.series),
            sampled=self.sampled,
            training_cpu_seconds=float(np.mean(self.training_cpu_seconds)),
            cases=self.cases,
            notes=tuple(self.notes),
            **tables,
        )


def drawn(happened: Outcome, count: int, seed: int) -> Ints:
    """The rows of `count` items: by their names and the seed, so that every origin has the same, if they are known."""
    order = [zlib.crc32(f"{seed}\n{store}\n{sku}".encode()) for store, sku in happened.items]
    return np.sort(np.argsort(order, kind="stable")[:count])


def _mean(rows: list[dict[str, object]]) -> pl.DataFrame:
    """The mean of the numbers of rows that have the same names, in the order of their first appearance."""
    if not rows:
        return pl.DataFrame()
    frame = pl.DataFrame(rows, infer_schema_length=None)
    keys = [name for name in frame.columns if frame[name].dtype == pl.String or name in {"level", "day"}]
    return frame.fill_nan(None).group_by(keys, maintain_order=True).mean().fill_null(float("nan"))


def _with_ratios(figures: pl.DataFrame) -> pl.DataFrame:
    """The same with WAPE and wRMSSE ÷ those of averages, and `price`: WAPE ÷ that of the best of our tiers − 1."""
    keys = ["scope", "part"]
    for tier, name in ((AVERAGE, "average"), (MA7, "ma7"), (MA28, "ma28")):
        base = figures.filter(pl.col("tier") == tier).select(*keys, w="wape", r="wrmsse")
        ratios = {
            f"wape_ratio_{name}": pl.col("wape") / pl.col("w"),
            f"wrmsse_ratio_{name}": pl.col("wrmsse") / pl.col("r"),
        }
        figures = figures.join(base, on=keys, how="left", maintain_order="left").with_columns(**ratios).drop("w", "r")
    best = pl.col("wape").filter(pl.col("tier").is_in(OWN)).min().over(keys)
    return figures.with_columns(price=pl.col("wape") / best - 1)
