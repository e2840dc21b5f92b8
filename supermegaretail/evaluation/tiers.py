"""What each tier says about every item: the one place where a tier, or a tier's quantiles, is plugged in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from supermegaretail.baseline import moving_average
from supermegaretail.baseline_spread import average_quantiles
from supermegaretail.demand import in_pieces
from supermegaretail.evaluation.measures import LEVELS
from supermegaretail.evaluation.plain import last_week, recent_mean
from supermegaretail.features import EXTENDED, Floats, core_design, per_target_day
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import Floats32
from supermegaretail.spread import Spread

if TYPE_CHECKING:
    from supermegaretail.training import Trained

CORRECTION, UNPLANNED, CORE = "correction", "correction, plans missing", "core"
BLIND = "correction, x missing"  # weather and the like are known ahead only as a forecast
AVERAGE, CONSTANT = "moving_average", "constant"
NAIVE, MA7, MA28 = "seasonal_naive", "MA7", "MA28"
OWN = (CORRECTION, BLIND, UNPLANNED, CORE, AVERAGE, CONSTANT)  # the rest are peers
CHUNK = 2_048  # items whose quantiles are computed at once
CONSTANT_UNITS = 0.0  # what the last tier answers unless an operator sets more


@dataclass(frozen=True, slots=True)
class Made:
    """One tier's answer: units [n, horizon], quantiles [n, horizon, LEVELS] where the tier gives any, CPU seconds."""

    demand: Floats
    quantiles: Floats32 | None = None
    cpu_seconds: float = 0.0

    def of(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Made:
        """The answer about these rows alone."""
        return replace(
            self, demand=self.demand[rows], quantiles=None if self.quantiles is None else self.quantiles[rows]
        )


def forecasts(
    history: SalesHistory,
    trained: Trained,
    items: list[Key],
    *,
    as_of: date,
    horizon_days: int,
    quantiles: bool = True,
) -> dict[str, Made]:
    """Every tier's answer, and those of the plain averages, by name; without `quantiles` it is quicker."""
    inputs = history.inputs(items, as_of=as_of, horizon_days=horizon_days)

    def with_quantiles(demand: Floats, spread: Spread | None) -> Made:
        return Made(
            demand, None if spread is None or not quantiles else _quantiles(spread, demand, inputs, as_of=as_of)
        )

    core = timed(
        lambda: with_quantiles(
            trained.core.predict(inputs.stable, as_of=as_of, horizon_days=horizon_days), trained.core.spread
        )
    )

    def corrected(extended: Floats) -> Made:
        demand = trained.correction.predict(
            inputs.stable, extended, core.demand, as_of=as_of, horizon_days=horizon_days
        )
        return with_quantiles(demand, trained.correction.spread)

    def average() -> Made:
        demand = moving_average(history, items, as_of=as_of, horizon_days=horizon_days)
        if not quantiles:
            return Made(demand)
        made = average_quantiles(history, items, demand, as_of=as_of, levels=LEVELS)
        return Made(demand, made.transpose(0, 2, 1).astype(np.float32))

    blind = {BLIND: timed(lambda: corrected(_without_x(inputs.extended)))} if history.panel.x_names else {}
    return {
        CORRECTION: timed(lambda: corrected(inputs.extended)),
        **blind,
        UNPLANNED: timed(lambda: corrected(np.full_like(inputs.extended, np.nan))),
        CORE: core,
        AVERAGE: timed(average),
        CONSTANT: Made(np.full((len(items), horizon_days), CONSTANT_UNITS)),
        NAIVE: timed(lambda: Made(last_week(history, items, as_of=as_of, horizon_days=horizon_days))),
        MA7: timed(lambda: Made(recent_mean(history, items, as_of=as_of, days=7, horizon_days=horizon_days))),
        MA28: timed(lambda: Made(recent_mean(history, items, as_of=as_of, days=28, horizon_days=horizon_days))),
    }


def _without_x(extended: Floats) -> Floats:
    known = [not name.startswith("x_") for name in EXTENDED]
    return np.where(known, extended, np.nan)


def _quantiles(spread: Spread, demand: Floats, inputs: ModelInputs, *, as_of: date) -> Floats32:
    """Units [n, horizon, LEVELS]."""
    made = np.empty((*demand.shape, len(LEVELS)), np.float32)
    for start in range(0, len(demand), CHUNK):
        some = slice(start, start + CHUNK)
        design = core_design(*per_target_day(inputs.stable[some], as_of=as_of, horizon_days=demand.shape[1]))
        told = spread.quantiles(demand[some].ravel(), design, LEVELS).reshape(*demand[some].shape, -1)
        made[some] = in_pieces(told, inputs.by_the_piece[some])
    return made


def timed(answer: Callable[[], Made]) -> Made:
    """The answer, with the CPU seconds that it took."""
    started = time.process_time()
    made = answer()
    return replace(made, cpu_seconds=time.process_time() - started)
