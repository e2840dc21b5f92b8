"""What the model process works out: demand, how far it may be off, and why it is what it is. Runs in its threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

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
    Contributions,
    Features,
    ItemContributions,
    Prediction,
    PredictionRequest,
    Predictions,
)
from supermegaretail.models import Models
from supermegaretail.spread import Spread

MIDDLE_HALF = (0.25, 0.75)
QUANTILE_DECIMALS = 4  # short numbers between the processes
LOGARITHM_DECIMALS = 6


def predict(models: Models, request: PredictionRequest) -> Predictions:
    """Runs both models. Raises `ValueError` for features of another shape."""
    as_of, horizon_days = request.as_of, request.horizon_days
    stable = _matrix([item.stable for item in request.items])
    core = models.core.predict(stable, as_of=as_of, horizon_days=horizon_days)
    design = _design(stable, as_of, horizon_days) if request.quantiles else None
    predictions: list[dict[str, Any]] = [
        {"id": item.id, "core": _finite(days), "correction": None}
        for item, days in zip(request.items, core, strict=True)
    ]
    if models.core.spread is not None and design is not None:
        _add_spread(predictions, "core", models.core.spread, core, design, request.quantiles)
    wanted = _with_plans(request.items)
    if models.correction is not None and wanted:
        extended = _matrix([request.items[place].extended for place in wanted])
        demand = models.correction.predict(
            stable[wanted], extended, core[wanted], as_of=as_of, horizon_days=horizon_days
        )
        corrected = [predictions[place] for place in wanted]
        for prediction, days in zip(corrected, demand, strict=True):
            prediction["correction"] = _finite(days)
        if models.correction.spread is not None and design is not None:
            _add_spread(corrected, "correction", models.correction.spread, demand, design[wanted], request.quantiles)
    return Predictions(
        version=models.core_version,
        correction_version=models.correction_version,
        correction_reason=models.correction_reason,
        predictions=[Prediction.model_construct(**prediction) for prediction in predictions],
    )


def explain(models: Models, request: PredictionRequest) -> Contributions:
    """What each feature adds to the logarithm of the demand. Raises `ValueError` for features of another shape.

    Takes about 3 ms per item and day.
    """
    stable = _matrix([item.stable for item in request.items])
    if stable.shape[1:] != (len(STABLE),):
        raise ValueError(f"{len(STABLE)} stable features are needed, not {stable.shape[1:]}")
    design = _design(stable, request.as_of, request.horizon_days)
    rows = design.reshape(-1, len(CORE_DESIGN))
    core = _by_item(by_feature(models.core.contributions(rows), CORE_DESIGN), len(stable))
    wanted = _with_plans(request.items) if models.correction is not None else []
    correction: dict[int, list[list[float]]] = {}
    if models.correction is not None and wanted:
        extended = _matrix([request.items[place].extended for place in wanted])
        if extended.shape != (len(wanted), request.horizon_days, len(EXTENDED)):
            raise ValueError(f"extended features of shape {extended.shape} are not of this horizon")
        added = models.correction.contributions(
            design[wanted].reshape(-1, len(CORE_DESIGN)), extended.reshape(-1, len(EXTENDED))
        )
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


def _add_spread(
    predictions: Sequence[dict[str, Any]],
    model: str,
    spread: Spread,
    demand: Floats,
    design: Floats,
    levels: Sequence[float],
) -> None:
    """Adds a model's quantiles and width to the predictions [n] of its `demand` [n, horizon]; `design` [n, horizon, …].

    An item without a number gets none, and so does one whose spread is no number.
    """
    both = spread.quantiles(demand.ravel(), design.reshape(-1, design.shape[-1]), (*MIDDLE_HALF, *levels))
    by_level = both.reshape(*demand.shape, -1).transpose(0, 2, 1)  # [n, levels, horizon]
    known = np.isfinite(demand).all(1) & np.isfinite(by_level).all((1, 2))
    widths = np.round((by_level[:, 1] - by_level[:, 0]).mean(1), QUANTILE_DECIMALS)
    asked = np.round(by_level[:, len(MIDDLE_HALF) :], QUANTILE_DECIMALS)
    for place in np.flatnonzero(known).tolist():
        predictions[place][f"{model}_width"] = float(widths[place])
        predictions[place][f"{model}_quantiles"] = asked[place].tolist()


def _design(stable: Floats, as_of: date, horizon_days: int) -> Floats:
    """CORE_DESIGN by item and day: [n, horizon, CORE_DESIGN]."""
    return core_design(*per_target_day(stable, as_of=as_of, horizon_days=horizon_days)).reshape(
        len(stable), horizon_days, len(CORE_DESIGN)
    )


def _with_plans(items: Sequence[Features]) -> list[int]:
    """The places of the items that the correction is asked about."""
    return [place for place, item in enumerate(items) if item.extended is not None]


def _by_item(rows: Floats, items: int) -> list[list[list[float]]]:
    """[items × days, features] as [item][feature][day]."""
    nested = np.round(rows, LOGARITHM_DECIMALS).reshape(items, -1, rows.shape[1]).transpose(0, 2, 1)
    return nested.tolist()


def _matrix(rows: object) -> Floats:
    return np.asarray(rows, dtype=np.float64)  # None becomes NaN


def _finite(row: Floats) -> list[float] | None:
    """A model that has no number for an item says so; JSON has no NaN."""
    return row.tolist() if np.isfinite(row).all() else None
