"""What each tier says about every item: the one place where a tier, or a tier's quantiles, is plugged in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from supermegaretail.baseline import moving_average
from supermegaretail.evaluation.plain import last_week, recent_mean
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import Floats32

if TYPE_CHECKING:
    from supermegaretail.training import Trained

CORRECTION, UNPLANNED, CORE = "correction", "correction, plans missing", "core"
AVERAGE, CONSTANT = "moving_average", "constant"
NAIVE, MA7, MA28 = "seasonal_naive", "MA7", "MA28"
OWN = (CORRECTION, UNPLANNED, CORE, AVERAGE, CONSTANT)  # the rest are peers
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
    history: SalesHistory, trained: Trained, items: list[Key], *, as_of: date, horizon_days: int
) -> dict[str, Made]:
    """Every tier's answer, and those of the plain averages, by name."""
    inputs = history.inputs(items, as_of=as_of, horizon_days=horizon_days)
    core = timed(lambda: Made(trained.core.predict(inputs.stable, as_of=as_of, horizon_days=horizon_days)))

    def corrected(extended: Floats) -> Made:
        demand = trained.correction.predict(
            inputs.stable, extended, core.demand, as_of=as_of, horizon_days=horizon_days
        )
        return Made(demand)

    return {
        CORRECTION: timed(lambda: corrected(inputs.extended)),
        UNPLANNED: timed(lambda: corrected(np.full_like(inputs.extended, np.nan))),
        CORE: core,
        AVERAGE: timed(lambda: Made(moving_average(history, items, as_of=as_of, horizon_days=horizon_days))),
        CONSTANT: Made(np.full((len(items), horizon_days), CONSTANT_UNITS)),
        NAIVE: timed(lambda: Made(last_week(history, items, as_of=as_of, horizon_days=horizon_days))),
        MA7: timed(lambda: Made(recent_mean(history, items, as_of=as_of, days=7, horizon_days=horizon_days))),
        MA28: timed(lambda: Made(recent_mean(history, items, as_of=as_of, days=28, horizon_days=horizon_days))),
    }


def timed(answer: Callable[[], Made]) -> Made:
    """The answer, with the CPU seconds that it took."""
    started = time.process_time()
    made = answer()
    return replace(made, cpu_seconds=time.process_time() - started)
