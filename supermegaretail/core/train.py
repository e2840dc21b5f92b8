"""Trains the core model."""

from __future__ import annotations

from collections.abc import Callable

from supermegaretail.boosting import Growth, grow
from supermegaretail.core.model import CoreModel
from supermegaretail.examples import Examples
from supermegaretail.features import CORE_DESIGN

GROWTH = Growth(trees=120)


def fit(examples: Examples, *, seed: int, threads: int, advance: Callable[[], None]) -> CoreModel:
    """Trees on top of the recent level."""
    trees = grow(
        examples.core,
        examples.demand,
        start=examples.level,
        names=CORE_DESIGN,
        growth=GROWTH,
        seed=seed,
        threads=threads,
        advance=advance,
    )
    return CoreModel(trees)
