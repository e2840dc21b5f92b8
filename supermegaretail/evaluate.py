"""What each tier is worth: rolling origins on weeks that the models have not seen.

WAPE   sum of absolute errors ÷ sum of sales
bias   sum of errors ÷ sum of sales; positive means that too much was forecast
RMSSE  root of the mean squared error ÷ the mean squared step from one day to the next before the origin, per series,
       then the mean (Hyndman and Koehler 2006, as in the M5 competition)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from supermegaretail.baseline import moving_average
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import SALES, known_demand, past, windows

if TYPE_CHECKING:
    from supermegaretail.training import Trained

BUCKETS_DAYS = ((1, 7), (8, 14), (15, 28))
STEPS_DAYS = 366  # before the origin, from which a series' usual step is taken
WITHOUT_PLANS = "correction, plans missing"


def forecasts(
    history: SalesHistory, trained: Trained, items: list[Key], *, as_of: date, horizon_days: int
) -> dict[str, Floats]:
    """What each tier says about every item: units [n, horizon] by name of the tier."""
    inputs = history.inputs(items, as_of=as_of, horizon_days=horizon_days)
    core = trained.core.predict(inputs.stable, as_of=as_of, horizon_days=horizon_days)
    unplanned = np.full_like(inputs.extended, np.nan)
    weeks = 7 * (-(-horizon_days // 7))
    places = [history.panel.series[history.panel.places[item]] for item in items]
    last_week = past(places, np.full(len(items), as_of.toordinal()), days=7)[:, SALES].astype(np.float64)
    corrected = {
        name: trained.correction.predict(inputs.stable, extended, core, as_of=as_of, horizon_days=horizon_days)
        for name, extended in (("correction", inputs.extended), (WITHOUT_PLANS, unplanned))
    }
    return {
        **corrected,
        "core": core,
        "moving_average": moving_average(history, items, as_of=as_of, horizon_days=horizon_days),
        "seasonal_naive": np.tile(last_week, weeks // 7)[:, :horizon_days],
    }


def errors_at(history: SalesHistory, trained: Trained, *, as_of: date) -> dict[str, float]:
    """WAPE of each tier over the 28 days after `as_of`."""
    outcome = _outcome(history, as_of=as_of, horizon_days=MAX_HORIZON_DAYS)
    made = forecasts(history, trained, outcome.items, as_of=as_of, horizon_days=MAX_HORIZON_DAYS)
    return {tier: _wape(outcome.sold, demand) for tier, demand in made.items()}


def evaluate(
    table: pl.DataFrame,
    *,
    horizon_days: int = MAX_HORIZON_DAYS,
    origins: int = 3,
    seed: int = 1,
    threads: int = 2,
    rows: int | None = None,
) -> pl.DataFrame:
    """One row per tier and horizon bucket: `tier`, `horizon`, `wape`, `bias`, `rmsse`, `wape_ratio` (to the average).

    For each origin both models are trained anew on what lies before it. Raises `ValueError` where there is too little.
    """
    from supermegaretail.training import ROWS, fit

    whole = SalesHistory.build(table)
    measured = []
    for origin in _origins(whole, horizon_days, origins):
        earlier = SalesHistory.build(table.filter(pl.col("date") <= origin))
        trained = fit(earlier, rows=rows or ROWS, seed=seed, threads=threads)
        measured += _measure(whole, trained, as_of=origin, horizon_days=horizon_days)
    mean = pl.DataFrame(measured).group_by("tier", "horizon", maintain_order=True).mean().drop("origin")
    baseline = mean.filter(pl.col("tier") == "moving_average").select("horizon", baseline="wape")
    with_ratio = mean.join(baseline, on="horizon", maintain_order="left")
    return with_ratio.with_columns(wape_ratio=pl.col("wape") / pl.col("baseline")).drop("baseline")


def render(results: pl.DataFrame) -> None:
    """Prints the table; the best figure of a bucket is bold."""
    shown = Table(title="rolling origins, weeks that the models have not seen; mean over the origins")
    for name, justify in (
        ("horizon, days", "left"),
        ("tier", "left"),
        *((n, "right") for n in ("WAPE", "÷ moving average", "bias", "RMSSE")),
    ):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]  # a literal, through a tuple
    for bucket in results["horizon"].unique(maintain_order=True):
        rows = results.filter(pl.col("horizon") == bucket).sort("wape")
        for place, row in enumerate(rows.iter_rows(named=True)):
            figures = (f"{row['wape']:.3f}", f"{row['wape_ratio']:.3f}", f"{row['bias']:+.3f}", f"{row['rmsse']:.3f}")
            shown.add_row(
                "" if place else bucket,
                row["tier"],
                *figures,
                style="" if place else "bold",
                end_section=place == rows.height - 1,
            )
    Console().print(shown)


class _Outcome:
    """What was really sold in a window: items, units [n, horizon] (NaN where not known), usual step [n]."""

    def __init__(self, items: list[Key], sold: Floats, step: Floats) -> None:
        self.items, self.sold, self.step = items, sold, step


def _outcome(history: SalesHistory, *, as_of: date, horizon_days: int) -> _Outcome:
    known, _ = history.stable(list(history.panel.places), as_of=as_of)
    items = [item for item, is_known in zip(history.panel.places, known, strict=True) if is_known]
    series = [history.panel.series[history.panel.places[item]] for item in items]
    day = np.full(len(items), as_of.toordinal())
    sold = windows(series, day + 1, days=horizon_days)[:, SALES].astype(np.float64)
    steps = np.diff(known_demand(past(series, day, days=STEPS_DAYS)).astype(np.float64), axis=1) ** 2
    counted = np.isfinite(steps)
    step = np.where(counted, steps, 0).sum(1) / np.maximum(counted.sum(1), 1)
    return _Outcome(items, sold, step)


def _measure(history: SalesHistory, trained: Trained, *, as_of: date, horizon_days: int) -> list[Mapping[str, object]]:
    outcome = _outcome(history, as_of=as_of, horizon_days=horizon_days)
    made = forecasts(history, trained, outcome.items, as_of=as_of, horizon_days=horizon_days)
    buckets = [(low, min(high, horizon_days)) for low, high in BUCKETS_DAYS if low <= horizon_days]
    measured: list[Mapping[str, object]] = []
    for low, high in [*buckets, (1, horizon_days)] if len(buckets) > 1 else buckets:
        days = slice(low - 1, high)
        for tier, demand in made.items():
            sold, error = outcome.sold[:, days], demand[:, days] - outcome.sold[:, days]
            measured.append(
                {
                    "origin": as_of.toordinal(),
                    "tier": tier,
                    "horizon": f"{low}–{high}",
                    "wape": _wape(sold, demand[:, days]),
                    "bias": float(np.nansum(error) / np.nansum(sold)),
                    "rmsse": _rmsse(error, outcome.step),
                }
            )
    return measured


def _wape(sold: Floats, demand: Floats) -> float:
    return float(np.nansum(np.abs(demand - sold)) / np.nansum(sold))


def _rmsse(error: Floats, step: Floats) -> float:
    scaled = np.isfinite(error).any(1) & (step > 0)
    squared = np.nanmean(error[scaled] ** 2, axis=1)
    return float(np.sqrt(squared / step[scaled]).mean())


def _origins(history: SalesHistory, horizon_days: int, count: int) -> list[date]:
    if history.last_day is None:
        raise ValueError("there is not one day of sales")
    first = min(one.first_observed for one in history.panel.series)
    origins = [history.last_day - timedelta(days=horizon_days * back) for back in range(count, 0, -1)]
    if origins[0].toordinal() - first < 2 * MAX_HORIZON_DAYS:
        raise ValueError(
            f"{count} origins of {horizon_days} days leave less than {2 * MAX_HORIZON_DAYS} days to learn from"
        )
    return origins
