"""How far a forecast leans from the mean of what may happen towards its median.

Sales of a day are lopsided: many small ones, a few large. Their mean has the smallest squared error and is right in
the total; their median has the smallest absolute error and is lower, by a fifth and more where sales are unsteady. Who
stocks one product is served by the one, who adds up a shop by the other. So forecasts go towards the median, the
unsteadier a product the further, as far as costs at most `MOST_LOST` of the total and `MOST_OF_ONE` of any product
(docs/decisions/0008).

What the mean itself is off in the weeks that this is learnt from is left alone: that is their level, and passes.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from common.versions.registry import Release
from supermegaretail.features import CORE_DESIGN, Floats

LEAN_FILE = "lean.json"
MOST_LOST = 0.03  # of all units
MOST_OF_ONE = 0.1  # of one product's: the median of what hardly sells is nothing at all
STEPS = 1_001  # of the way to the median that are tried
PLACES = 10  # of unsteadiness, each with as many examples
LEAST_ROWS = 1_000  # fewer sales tell nothing about a median
LEAST_UNSTEADY = 0.05
LEAST_UNITS = 1e-6
VARIATION = CORE_DESIGN.index("variation_28")


class Lean(BaseModel):
    """By what forecasts are multiplied, by how unsteady the product is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    unsteady: tuple[float, ...]  # log(variation_28), rising
    factor: tuple[float, ...]  # there, above 0 and at most 1; in between on a line, beyond as at the end

    @classmethod
    def load(cls, release: Release) -> Lean | None:
        """That of a release; None for one without. Raises `ValueError` for a damaged one."""
        if LEAN_FILE not in release.manifest.artifacts:
            return None
        return cls.model_validate_json(release.path(LEAN_FILE).read_bytes())

    def as_json(self) -> bytes:
        return self.model_dump_json().encode()

    def factors(self, design: Floats) -> Floats:
        """[rows] for rows of CORE_DESIGN."""
        unsteady, factor = self._arrays
        return np.asarray(np.interp(_unsteady(design), unsteady, factor))

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats]:
        return np.asarray(self.unsteady), np.asarray(self.factor)

    @model_validator(mode="after")
    def _fits_together(self) -> Lean:
        if len(self.unsteady) != len(self.factor) or not self.factor:
            raise ValueError("there must be one factor for each place")
        if not all(low < high for low, high in pairwise(self.unsteady)):
            raise ValueError("the places must rise")
        if not all(0 < factor <= 1 for factor in self.factor):
            raise ValueError("a factor is above 0 and at most 1")
        return self


def learn(demand: Floats, design: Floats, sold: Floats) -> Lean | None:
    """From forecasts [n] of days not seen in training, their rows of CORE_DESIGN and what was sold.

    None from too few.
    """
    if (sold > 0).sum() < LEAST_ROWS:
        return None
    unsteady, demand = _unsteady(design), np.maximum(demand, LEAST_UNITS)
    bounds = np.unique(np.quantile(unsteady, np.arange(1, PLACES) / PLACES))
    place = np.searchsorted(bounds, unsteady)
    found = [place == number for number in np.unique(place)]
    medians = np.array([_median_of_mean(demand[rows], sold[rows]) for rows in found])
    units = np.array([demand[rows].sum() for rows in found])
    ways = np.linspace(0, 1, STEPS)[:, None]  # from the mean, all the way to the median
    factors = np.maximum(1 - ways * (1 - medians), 1 - MOST_OF_ONE)  # [ways, places]
    lost = 1 - factors @ units / units.sum()
    return Lean(
        unsteady=tuple(float(np.median(unsteady[rows])) for rows in found),
        factor=tuple(factors[lost <= MOST_LOST][-1].tolist()),
    )


def _median_of_mean(demand: Floats, sold: Floats) -> float:
    """The factor with the smallest absolute error ÷ the factor that makes the total right; at most 1."""
    total = sold.sum() / demand.sum()
    if not total:
        return 1.0
    ratio = sold / demand
    order = np.argsort(ratio, kind="stable")
    below = np.cumsum(demand[order])
    median = ratio[order][np.searchsorted(below, below[-1] / 2)]  # weighed by the forecasts: sum |sold - c · demand|
    return float(min(median / total, 1.0))


def _unsteady(design: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(design[:, VARIATION], LEAST_UNSTEADY)))
