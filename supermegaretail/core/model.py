"""The core model: demand from the calendar and a product's own sales, nothing that anybody has to plan or look up."""

from __future__ import annotations

from datetime import date
from functools import partial

import numpy as np

from common.versions.probes import check_probes
from common.versions.registry import Release
from supermegaretail.boosting import MODEL_FILE, Trees, check_features
from supermegaretail.features import CORE_DESIGN, STABLE, Floats, core_design, moving_average_of, per_target_day
from supermegaretail.golden import core_answer
from supermegaretail.leaning import VARIATION, Lean
from supermegaretail.spread import Spread

# How far the trees may move the starting value, on the logarithm. Both err, in different ways, so that something
# between them is better than either: WAPE 0.633 instead of 0.639 on six origins of the M5 extract.
TRUST = 0.7
START = "start"  # the parameter's name in a manifest


class CoreModel:
    """A pure function of stable features.

    Its trees start at `start` × the moving average: what the average is off on the whole is put right in full. What
    they make of it leans towards the median by `lean`, and with it what the correction makes of that.
    """

    def __init__(
        self, trees: Trees, *, start: float = 1.0, lean: Lean | None = None, spread: Spread | None = None
    ) -> None:
        self.trees = trees
        self.start = start
        self.lean = lean  # None: it answers the mean
        self.spread = spread  # None: it has no quantiles

    @classmethod
    def load(cls, release: Release) -> CoreModel:
        """Raises `FeatureMismatch` for a model of other features, `ProbeMismatch` for one that answers otherwise."""
        check_features(release.manifest, CORE_DESIGN)
        start = float(release.manifest.parameters.get(START, 1.0))
        if not 0 < start < np.inf:
            raise ValueError(f"the core model's starting value is {start}, not a factor")
        model = cls(
            Trees.load(release.path(MODEL_FILE)), start=start, lean=Lean.load(release), spread=Spread.load(release)
        )
        check_probes(release, partial(core_answer, model))
        return model

    def predict(self, stable: Floats, *, as_of: date, horizon_days: int) -> Floats:
        """Demand in units [n, horizon] from `stable` [n, STABLE]; NaN for an item that nothing is known about."""
        if stable.shape[1:] != (len(STABLE),):
            raise ValueError(f"{len(STABLE)} stable features are needed, not {stable.shape[1:]}")
        design = core_design(*per_target_day(stable, as_of=as_of, horizon_days=horizon_days))
        return self.demand(design).reshape(len(stable), horizon_days)

    def without_lean(self) -> CoreModel:
        """The same, answering the mean."""
        return CoreModel(self.trees, start=self.start, spread=self.spread)

    def demand(self, design: Floats) -> Floats:
        """Demand in units for rows of CORE_DESIGN."""
        mean = self.start * moving_average_of(design) * self.trees.factor(design) ** TRUST
        return np.asarray(mean if self.lean is None else mean * self.lean.factors(design))

    def contributions(self, design: Floats) -> Floats:
        """What each of CORE_DESIGN, and the rest, adds to the logarithm of the demand: [rows, CORE_DESIGN + 1]."""
        parts = TRUST * self.trees.contributions(design)
        parts[:, -1] += np.log(self.start)
        if self.lean is not None:
            parts[:, VARIATION] += np.log(self.lean.factors(design))
        return parts

    def fitted(self, design: Floats) -> Floats:
        """The mean with full trust: for examples that the trees have learnt from."""
        return np.asarray(self.start * moving_average_of(design) * self.trees.factor(design))
