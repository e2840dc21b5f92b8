"""A core and its correction as one forecaster, asked as the service asks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.demand import in_pieces
from supermegaretail.features import Floats, core_design, per_target_day
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.panel import Key


@dataclass(frozen=True)
class Pair:
    """Without a correction the core speaks alone."""

    core: CoreModel
    correction: CorrectionModel | None

    def finished_as(self, other: Pair) -> Pair:
        """These trees with the lean and the spreads of another pair: a rehearsal has none of its own."""
        core = CoreModel(self.core.trees, start=self.core.start, lean=other.core.lean, spread=other.core.spread)
        if self.correction is None or other.correction is None:
            return Pair(core, self.correction)
        return Pair(core, CorrectionModel(self.correction.trees, spread=other.correction.spread))

    def demand(self, history: SalesHistory, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Floats:
        """Units [n, horizon]; NaN in the rows of items that nothing is known about."""
        return self.answer(history.inputs(items, as_of=as_of, horizon_days=horizon_days), as_of=as_of)

    def answer(self, inputs: ModelInputs, *, as_of: date) -> Floats:
        """Likewise, from features. Where plans are missing the correction is not asked."""
        horizon_days = inputs.extended.shape[1]
        core = self.core.predict(inputs.stable, as_of=as_of, horizon_days=horizon_days)
        if self.correction is None:
            return core
        corrected = self.correction.predict(
            inputs.stable, inputs.extended, core, as_of=as_of, horizon_days=horizon_days
        )
        return np.where(inputs.planned_missing[:, None], core, corrected)

    def quantiles(self, inputs: ModelInputs, demand: Floats, *, as_of: date, levels: Sequence[float]) -> Floats | None:
        """Units [n, horizon, levels] around `demand`; None from models that learnt no spread."""
        spread = self.core.spread if self.correction is None else self.correction.spread
        if spread is None:
            return None
        design = core_design(*per_target_day(inputs.stable, as_of=as_of, horizon_days=demand.shape[1]))
        told = spread.quantiles(demand.ravel(), design, levels).reshape(*demand.shape, -1)
        return in_pieces(told, inputs.by_the_piece)
