"""What the model process works out: demand, how far it may be off, and why it is what it is. Runs in its threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from supermegaretail.explanation_features import CORE_FEATURES, CORRECTION_FEATURES, by_feature
from supermegaretail.features import (
    CORE_DESIGN,
    CORRECTION_DESIGN,
    EXTENDED,
    STABLE,
    Floats,
    core_design,
    per_target_day,
)
from supermegaretail.model_contract import (
    QUANTILE_DECIMALS,
    Contributions,
    Features,
    ItemContributions,
    Prediction,
    PredictionRequest,
    Predictions,
    unpacked,
)
from supermegaretail.models import Models
from supermegaretail.spread import MIDDLE_HALF, Spread

LOGARITHM_DECIMALS = 6


class Word(NamedTuple):
    """What one model says of one item, per day; JSON has no NaN, so it is None where it has no number."""

    days: list[float] | None = None
    width: float | None = None
    quantiles: list[list[float]] | None = None


SILENCE = Word()


def predict(models: Models, request: PredictionRequest) -> Predictions:
    """Runs both models. Raises `ValueError` for features of another shape."""
    design = _design(request)  # made once, for both models and their spreads
    core = models.core.demand(_by_row(design)).reshape(design.shape[:2])
    of_core = _words(core, models.core.spread, design, request.quantiles)
    corrected = [SILENCE] * len(request.items)
    wanted = _with_plans(request.items)
    if models.correction is not None and wanted:
        extended, shown = _extended(request, wanted), design[wanted]
        demand = models.correction.demand(_by_row(shown), _by_row(extended), core[wanted].ravel())
        words = _words(demand.reshape(shown.shape[:2]), models.correction.spread, shown, request.quantiles)
        for place, word in zip(wanted, words, strict=True):
            corrected[place] = word
    return Predictions.model_construct(
        version=models.core_version,
        correction_version=models.correction_version,
        correction_reason=models.correction_reason,
        predictions=[
            Prediction(
                id=item.id,
                core=said.days,
                correction=improved.days,
                core_quantiles=said.quantiles,
                correction_quantiles=improved.quantiles,
                core_width=said.width,
                correction_width=improved.width,
            )
            for item, said, improved in zip(request.items, of_core, corrected, strict=True)
        ],
    )


def explain(models: Models, request: PredictionRequest) -> Contributions:
    """What each feature adds to the logarithm of the demand. Raises `ValueError` for features of another shape.

    Takes about 3 ms per item and day.
    """
    design = _design(request)
    core = _by_item(by_feature(models.core.contributions(_by_row(design)), CORE_DESIGN), len(design))
    wanted = _with_plans(request.items) if models.correction is not None else []
    correction: dict[int, list[list[float]]] = {}
    if models.correction is not None and wanted:
        added = models.correction.contributions(_by_row(design[wanted]), _by_row(_extended(request, wanted)))
        correction = dict(zip(wanted, _by_item(by_feature(added, CORRECTION_DESIGN), len(wanted)), strict=True))
    return Contributions(
        version=models.core_version,
        correction_version=models.correction_version,
        core_features=[*CORE_FEATURES],
        correction_features=[*CORRECTION_FEATURES],
        items=[
            ItemContributions.model_construct(id=item.id, core=core[place], correction=correction.get(place))
            for place, item in enumerate(request.items)
        ],
    )


def _words(demand: Floats, spread: Spread | None, design: Floats, levels: Sequence[float]) -> list[Word]:
    """What a model says of each item, from its `demand` [n, horizon]; `design` is [n, horizon, CORE_DESIGN].

    An item without a number gets no quantiles, and neither does one whose spread is no number.
    """
    finite = np.asarray(np.isfinite(demand).all(1))
    days = [row if sound else None for row, sound in zip(demand.tolist(), finite.tolist(), strict=True)]
    if spread is None:
        return [Word(row) for row in days]
    both = spread.quantiles(demand.ravel(), _by_row(design), (*MIDDLE_HALF, *levels))
    by_level = both.reshape(*demand.shape, -1).transpose(0, 2, 1)  # [n, levels, horizon]
    known = finite & np.asarray(np.isfinite(both).reshape(len(demand), -1).all(1))
    widths = np.round((by_level[:, 1] - by_level[:, 0]).mean(1), QUANTILE_DECIMALS).tolist()
    asked = np.round(by_level[:, len(MIDDLE_HALF) :], QUANTILE_DECIMALS).tolist() if levels else [None] * len(days)
    return [
        Word(row, width, quantiles) if sure else Word(row)
        for row, width, quantiles, sure in zip(days, widths, asked, known.tolist(), strict=True)
    ]


def _design(request: PredictionRequest) -> Floats:
    """CORE_DESIGN by item and day: [n, horizon, CORE_DESIGN]."""
    stable = unpacked([item.stable for item in request.items], (len(STABLE),))
    rows = core_design(*per_target_day(stable, as_of=request.as_of, horizon_days=request.horizon_days))
    return rows.reshape(len(stable), request.horizon_days, len(CORE_DESIGN))


def _extended(request: PredictionRequest, wanted: Sequence[int]) -> Floats:
    """EXTENDED by item and day, of the items at these places: [wanted, horizon, EXTENDED]."""
    rows = [request.items[place].extended or b"" for place in wanted]
    return unpacked(rows, (request.horizon_days, len(EXTENDED)))


def _by_row(by_day: Floats) -> Floats:
    """[n × horizon, features] of [n, horizon, features]."""
    return by_day.reshape(-1, by_day.shape[-1])


def _with_plans(items: Sequence[Features]) -> list[int]:
    """The places of the items that the correction is asked about."""
    return [place for place, item in enumerate(items) if item.extended is not None]


def _by_item(rows: Floats, items: int) -> list[list[list[float]]]:
    """[items × days, features] as [item][feature][day]."""
    nested = np.round(rows, LOGARITHM_DECIMALS).reshape(items, -1, rows.shape[1]).transpose(0, 2, 1)
    return nested.tolist()
