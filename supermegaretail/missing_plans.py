"""The experiment behind the two models: what each says when the planned inputs silently go missing.

A model with all features in one is the best there is as long as prices, promotions and events are planned. When they
are not it raises no error: LightGBM takes a value that was never missing in training for a zero. Core and correction
are told apart so that the correction can be left out, and the correction has met missing plans in training, so that it
would do no harm if somebody forgot to leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from common.progress import Reporter, progress
from supermegaretail.boosting import Trees, grow
from supermegaretail.core import train as core_training
from supermegaretail.correction import train as correction_training
from supermegaretail.evaluation.measures import wape
from supermegaretail.evaluation.outcome import origins, outcome
from supermegaretail.evaluation.tiers import AVERAGE, CORE, CORRECTION, MA7, UNPLANNED, Made, forecasts
from supermegaretail.examples import draw
from supermegaretail.features import (
    CATEGORICAL,
    CORE_DESIGN,
    EXTENDED,
    Floats,
    core_design,
    moving_average_of,
    per_target_day,
)
from supermegaretail.history import SalesHistory
from supermegaretail.training import examples_for, fit

ONE_MODEL = "one model with all features"


@dataclass(frozen=True, slots=True)
class Outcome:
    """WAPE and bias (positive: too much) of one way to forecast, with the plans and without them."""

    way: str
    complete: tuple[float, float]
    missing: tuple[float, float]


def run(table: pl.DataFrame, *, horizon_days: int, seed: int, threads: int) -> list[Outcome]:
    """All ways, trained on what lies before the last `horizon_days` days and asked about these.

    Raises `Failed` where there is too little history.
    """
    whole = SalesHistory.build(table)
    (as_of,) = origins(whole, horizon_days=horizon_days, count=1)
    earlier = SalesHistory.build(table.filter(pl.col("date") <= as_of))
    trained = fit(earlier, seed=seed, threads=threads)
    trained = replace(trained, core=trained.core.without_lean())  # like the one model: all ways answer the mean
    with progress(f"training {ONE_MODEL}", core_training.GROWTH.trees + correction_training.GROWTH.trees) as report:
        single = _one_model(earlier, seed=seed, threads=threads, report=report)
    happened = outcome(whole, as_of=as_of, horizon_days=horizon_days)
    made = forecasts(whole, trained, happened.items, as_of=as_of, horizon_days=horizon_days, quantiles=False)
    inputs = whole.inputs(happened.items, as_of=as_of, horizon_days=horizon_days)
    design = core_design(*per_target_day(inputs.stable, as_of=as_of, horizon_days=horizon_days))
    extended = inputs.extended.reshape(-1, len(EXTENDED))

    def alone(plans: Floats) -> Made:
        demand = moving_average_of(design) * single.factor(np.column_stack([design, plans]))
        return Made(demand.reshape(happened.sold.shape))

    ways = {
        ONE_MODEL: (alone(extended), alone(np.full_like(extended, np.nan))),
        "core + correction": (made[CORRECTION], made[CORE]),  # without plans the correction is left out
        "core + correction, not left out": (made[CORRECTION], made[UNPLANNED]),
        "core alone": (made[CORE], made[CORE]),
        "our moving average": (made[AVERAGE], made[AVERAGE]),
        "mean of 7 days": (made[MA7], made[MA7]),
    }
    return [Outcome(way, *(_errors(happened.sold, one.demand) for one in both)) for way, both in ways.items()]


def render(outcomes: list[Outcome], console: Console) -> None:
    """Prints the table."""
    shown = Table(title="when the planned inputs go missing: weeks that no model has seen")
    for name in ("way", "WAPE", "bias", "WAPE, plans missing", "bias, plans missing"):
        shown.add_column(name, justify="left" if name == "way" else "right")
    for one in outcomes:
        figures = (
            f"{one.complete[0]:.3f}",
            f"{one.complete[1]:+.3f}",
            f"{one.missing[0]:.3f}",
            f"{one.missing[1]:+.3f}",
        )
        shown.add_row(one.way, *figures)
    console.print(shown)


def _one_model(history: SalesHistory, *, seed: int, threads: int, report: Reporter) -> Trees:
    """As many trees as core and correction have together, on the features of both, all of them always there."""
    examples = draw(history.panel, rows=examples_for(history), seed=seed, plans_dropped=0)
    trees = core_training.GROWTH.trees + correction_training.GROWTH.trees
    return grow(
        np.column_stack([examples.core, examples.extended]),
        examples.demand,
        weight=examples.weight,
        start=moving_average_of(examples.core),
        names=[*CORE_DESIGN, *EXTENDED],
        categorical=CATEGORICAL,
        growth=replace(core_training.GROWTH, trees=trees),
        seed=seed,
        threads=threads,
        advance=report.advance,
    )


def _errors(sold: Floats, demand: Floats) -> tuple[float, float]:
    known = np.isfinite(sold)
    return wape(sold, demand), float((demand - sold)[known].sum() / sold[known].sum())
