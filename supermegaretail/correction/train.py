"""Trains the correction model on what its core model got wrong."""

from __future__ import annotations

from collections.abc import Callable

from supermegaretail.boosting import Growth, grow
from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.examples import Examples
from supermegaretail.features import CATEGORICAL, CORRECTION_DESIGN, correction_design

GROWTH = Growth(trees=80)


def fit(
    examples: Examples, core: CoreModel, *, seed: int, threads: int, advance: Callable[[], None]
) -> CorrectionModel:
    """Trees on top of the core's answers. The examples must lack their plans now and then, see `examples.draw`."""
    trees = grow(
        correction_design(examples.core, examples.extended),
        examples.demand,
        weight=examples.weight,
        start=core.fitted(examples.core),
        names=CORRECTION_DESIGN,
        categorical=CATEGORICAL,
        growth=GROWTH,
        seed=seed,
        threads=threads,
        advance=advance,
    )
    return CorrectionModel(trees)
