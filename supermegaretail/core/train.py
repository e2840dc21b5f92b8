"""Trains the core model."""

from __future__ import annotations

from collections.abc import Callable

from supermegaretail.boosting import Growth, grow
from supermegaretail.core.model import CoreModel
from supermegaretail.examples import Examples
from supermegaretail.features import CORE_DESIGN, moving_average_of

GROWTH = Growth(trees=100, leaves=63, rows_per_leaf=100)


def fit(examples: Examples, *, seed: int, threads: int, advance: Callable[[], None]) -> CoreModel:
    """Trees on top of the moving average."""
    trees = grow(
        examples.core,
        examples.demand,
        weight=examples.weight,
        start=moving_average_of(examples.core),
        names=CORE_DESIGN,
        growth=GROWTH,
        seed=seed,
        threads=threads,
        advance=advance,
    )
    return CoreModel(trees)
