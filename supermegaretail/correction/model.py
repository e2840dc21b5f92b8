"""The correction model: what prices, promotions, events and the rest of the shelf change about the core's forecast."""

from __future__ import annotations

from datetime import date
from functools import partial

import numpy as np

from common.versions.probes import check_probes
from common.versions.registry import Release
from supermegaretail.boosting import MODEL_FILE, Trees, check_features
from supermegaretail.features import (
    CORRECTION_DESIGN,
    EXTENDED,
    STABLE,
    Floats,
    core_design,
    correction_design,
    per_target_day,
)
from supermegaretail.golden import correction_answer
from supermegaretail.spread import Spread


class CorrectionModel:
    """A pure function of stable and extended features and of one core model's answer."""

    def __init__(self, trees: Trees, *, spread: Spread | None = None) -> None:
        self.trees = trees
        self.spread = spread  # None: it has no quantiles

    @classmethod
    def load(cls, release: Release) -> CorrectionModel:
        """Raises `FeatureMismatch` for a model of other features, `ProbeMismatch` for one that answers otherwise."""
        check_features(release.manifest, CORRECTION_DESIGN)
        model = cls(Trees.load(release.path(MODEL_FILE)), spread=Spread.load(release))
        check_probes(release, partial(correction_answer, model))
        return model

    def predict(
        self, stable: Floats, extended: Floats, core_demand: Floats, *, as_of: date, horizon_days: int
    ) -> Floats:
        """Corrected demand [n, horizon] from `stable` [n, STABLE], `extended` [n, horizon, EXTENDED] and the core's."""
        expected = (len(stable), horizon_days, len(EXTENDED))
        if extended.shape != expected or core_demand.shape != expected[:2] or stable.shape[1:] != (len(STABLE),):
            raise ValueError(f"extended features of shape {expected} are needed, not {extended.shape}")
        core = core_design(*per_target_day(stable, as_of=as_of, horizon_days=horizon_days))
        corrected = self.demand(core, extended.reshape(-1, len(EXTENDED)), core_demand.ravel())
        return corrected.reshape(core_demand.shape)

    def demand(self, core: Floats, extended: Floats, core_demand: Floats) -> Floats:
        """Corrected demand for rows of CORE_DESIGN, of EXTENDED, and the core's answer to them."""
        return np.asarray(core_demand * self.trees.factor(correction_design(core, extended)))

    def contributions(self, core: Floats, extended: Floats) -> Floats:
        """What each of CORRECTION_DESIGN, and the rest, adds to the logarithm of the demand: [rows, features + 1]."""
        return self.trees.contributions(correction_design(core, extended))
