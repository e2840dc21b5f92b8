"""One item's demand as a tier tells it, and what is checked of it before it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from common.chain.tiers import Refused
from common.outcome import Reason
from supermegaretail.features import Floats
from supermegaretail.model_contract import Prediction

WIDEST = 4.0  # times the recent level, at least of one unit a day: a middle half as wide as that helps nobody to order


@dataclass(frozen=True, slots=True)
class Demand:
    """One item's demand, units per day, shape [horizon]."""

    per_day: Floats
    override_id: str | None = None
    quantiles: Floats | None = None  # [levels, horizon], in the order of the levels asked for
    width: float | None = None  # units a day between the quantiles 0.25 and 0.75, on average


def demand_of(
    prediction: Prediction, model: Literal["core", "correction"], levels: Sequence[float]
) -> Demand | Refused:
    """What one model says of an item, with its quantiles at `levels`; refused where it says nothing, or nonsense."""
    of_core = model == "core"
    per_day = prediction.core if of_core else prediction.correction
    width = prediction.core_width if of_core else prediction.correction_width
    told = prediction.core_quantiles if of_core else prediction.correction_quantiles
    if per_day is None or (width is not None and width < 0):
        return Refused(Reason.MEANING)
    demand = np.asarray(per_day, dtype=np.float64)
    if told is None or not levels:
        return Demand(demand, width=width)
    if [len(days) for days in told] != [len(per_day)] * len(levels):
        return Refused(Reason.MEANING)
    quantiles = np.asarray(told, dtype=np.float64)
    rising = quantiles[np.argsort(levels, kind="stable")]
    if (rising[0] < 0).any() or (rising[1:] < rising[:-1]).any():
        return Refused(Reason.MEANING)
    return Demand(demand, quantiles=quantiles, width=width)


def too_uncertain(width: float, level: float, *, limit: float) -> bool:
    """Whether the middle half of a forecast is on average wider than `limit` times the recent level.

    Both are in units per day; below one unit a day the level counts as one, for nothing is at stake there.
    """
    return not width <= limit * max(level, 1.0)  # a width that is no number is not sure either
