"""Trains the core model."""

from __future__ import annotations

from collections.abc import Callable

from supermegaretail.boosting import Growth, grow
from supermegaretail.core.model import CoreModel
from supermegaretail.examples import Examples
from supermegaretail.features import CORE_DESIGN, moving_average_of

GROWTH = Growth(trees=100, leaves=63, rows_per_leaf=100)


def fit(examples: Examples, *, seed: int, threads: int, advance: Callable[[], None]) -> CoreModel:
    """Trees on top of the moving average, which is first put right on the whole."""
    average = moving_average_of(examples.core)
    start = float((examples.weight * examples.demand).sum() / (examples.weight * average).sum()) or 1.0
    trees = grow(
        examples.core,
        examples.demand,
        weight=examples.weight,
        start=start * average,
        names=CORE_DESIGN,
        growth=GROWTH,
        seed=seed,
        threads=threads,
        advance=advance,
    )
    return CoreModel(trees, start=start)
