"""Fixed questions to Supermegaretail's code, for `python -m common registry verify`: what it answers is its behaviour.

All on a table that is computed by whole numbers, so that no library's dice decide what is asked. Models answer with
trees of three lines, so that only the code around them is seen.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any, cast

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from supermegaretail import api as api_routes
from supermegaretail.baseline import moving_average, plausible_maximum
from supermegaretail.baseline_spread import average_quantiles
from supermegaretail.boosting import Trees
from supermegaretail.contract import ForecastAnswer, ForecastRequest, Plans, SalesReport
from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.features import (
    CORE_DESIGN,
    CORRECTION_DESIGN,
    EXTENDED,
    STABLE,
    Floats,
    core_design,
    per_target_day,
)
from supermegaretail.history import SalesHistory
from supermegaretail.leaning import Lean
from supermegaretail.model_answers import predict
from supermegaretail.model_contract import Features, PredictionRequest, Predictions, packed
from supermegaretail.models import Models
from supermegaretail.prepared import prepare
from supermegaretail.spread import FEATURES, Spread

LAST_DAY = date(2026, 6, 28)
KNOWN_DAYS = 130
PLANNED_DAYS = 10
HORIZON_DAYS = 9  # more than a week
SERIES = [(store, sku) for store in ("east", "north", "west") for sku in ("bread", "milk", "salt", "tea")]
NEVER_SOLD = ("west", "caviar")
ITEMS = [*SERIES, NEVER_SOLD, ("nowhere", "nothing")]
DAYS = (LAST_DAY, LAST_DAY - timedelta(days=11))  # prepared, and computed anew
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def features() -> dict[str, Any]:
    """Names, order and values of all features, for items of all kinds."""
    answers: dict[str, Any] = {
        "order": {"stable": STABLE, "extended": EXTENDED, "core": CORE_DESIGN, "correction": CORRECTION_DESIGN}
    }
    for day in DAYS:
        inputs = _history().inputs(ITEMS, as_of=day, horizon_days=HORIZON_DAYS)
        answers[f"stable {day}"] = inputs.stable.tolist()
        answers[f"extended {day}"] = inputs.extended.tolist()
        answers[f"flags {day}"] = [flags.tolist() for flags in (inputs.known, inputs.planned_missing, inputs.cold)]
    answers["design"] = _design().tolist()
    return answers


def baseline() -> dict[str, Any]:
    """The moving average, its quantiles, and the most that is believed."""
    history, answers = _history(), dict[str, Any]()
    for day in DAYS:
        average = moving_average(history, ITEMS, as_of=day, horizon_days=HORIZON_DAYS)
        spread = average_quantiles(history, ITEMS, average, as_of=day, levels=LEVELS)
        answers[f"average {day}"] = average.tolist()
        answers[f"quantiles {day}"] = spread.tolist()
        answers[f"maximum {day}"] = plausible_maximum(history, ITEMS, as_of=day).tolist()
    return answers


def core() -> dict[str, Any]:
    """What the core makes of its trees, of its lean and of its spread."""
    model, design = _core(Lean(unsteady=(-1.0, 0.5), factor=(0.99, 0.9))), _design()
    demand = model.demand(design)
    return {
        "demand": demand.tolist(),
        "fitted": model.fitted(design).tolist(),
        "quantiles": _spread().quantiles(demand, design, LEVELS).tolist(),
    }


def correction() -> dict[str, Any]:
    """What the correction makes of its trees."""
    inputs = _history().inputs(SERIES, as_of=LAST_DAY, horizon_days=HORIZON_DAYS)
    core_demand = _core().predict(inputs.stable, as_of=LAST_DAY, horizon_days=HORIZON_DAYS)
    demand = _correction().predict(
        inputs.stable, inputs.extended, core_demand, as_of=LAST_DAY, horizon_days=HORIZON_DAYS
    )
    return {"demand": demand.tolist()}


def chain() -> dict[str, Any]:
    """What the model process says, and of which items it is not even asked."""
    models = Models("1.0.0", _core(), "1.0.0", _correction(), None)
    inputs = _history().inputs(SERIES, as_of=LAST_DAY, horizon_days=HORIZON_DAYS)
    stable, extended = packed(inputs.stable), packed(inputs.extended)
    request = PredictionRequest.model_construct(
        version="1.0.0",
        features_version="",
        as_of=LAST_DAY,
        horizon_days=HORIZON_DAYS,
        quantiles=LEVELS,
        items=[
            Features(id=str(place), stable=stable[place], extended=extended[place] if place % 4 else None)
            for place in range(len(SERIES))
        ],
    )
    prepared = prepare(_history(), ITEMS, as_of=LAST_DAY, horizon_days=HORIZON_DAYS + PLANNED_DAYS, drift=None)
    return {
        "predictions": TypeAdapter(Predictions).dump_python(predict(models, request), mode="json"),
        "refusals": [[str(reason) for reason in reasons] for reasons in (prepared.not_to_ask, prepared.not_to_correct)],
        "decimals": api_routes.DEMAND_DECIMALS,
    }


def api() -> dict[str, Any]:
    """The shapes of requests with their defaults and limits, and of answers."""
    shapes = (ForecastRequest, ForecastAnswer, SalesReport, Plans)
    return {shape.__name__: shape.model_json_schema() for shape in shapes}


class _ThreeLines:
    """Trees that are three lines long."""

    def factor(self, features: Floats) -> Floats:
        known = np.nan_to_num(features)
        return np.asarray(1 + (np.abs(known).sum(1) % 7) / 10 + known[:, 0] / 100)


def _core(lean: Lean | None = None) -> CoreModel:
    return CoreModel(cast(Trees, _ThreeLines()), start=1.25, lean=lean, spread=_spread())


def _correction() -> CorrectionModel:
    return CorrectionModel(cast(Trees, _ThreeLines()), spread=_spread())


def _spread() -> Spread:
    return Spread(
        zero=tuple(-1.0 + place / 8 for place in range(FEATURES)),
        scale=tuple(0.1 - place / 40 for place in range(FEATURES)),
        shapes=(-2.0, 0.0, 2.0),
        levels=(0.01, 0.5, 0.99),
        table=((-2.0, 0.0, 2.0), (-1.5, 0.1, 3.0), (-1.0, 0.2, 4.0)),
        whole_units=True,
    )


def _design() -> Floats:
    _, stable = _history().stable(SERIES, as_of=LAST_DAY)
    return core_design(*per_target_day(stable, as_of=LAST_DAY, horizon_days=HORIZON_DAYS))


@cache
def _history() -> SalesHistory:
    return SalesHistory.build(_table())


def _table() -> pl.DataFrame:
    """Seasons, gaps, stock-outs, promotions, events, a product that starts late, and one that hardly sells."""
    rows = []
    for place, (store, sku) in enumerate([*SERIES, NEVER_SOLD]):
        for ahead in range(1 - KNOWN_DAYS, PLANNED_DAYS + 1):
            noise = (place * 7919 + (ahead + KNOWN_DAYS) * 104_729) % 101
            if (noise == 0 and ahead <= 0) or (place == 5 and ahead < -9):
                continue
            day = LAST_DAY + timedelta(days=ahead)
            promotion, event = int(noise % 11 == 3), "fair" if day.day == 15 else None
            units = (place % 5) * 4 + noise % 6 + 5 * (day.weekday() > 4) + 6 * promotion + 9 * (event is not None)
            units = units if place != 7 else int(noise % 23 == 0)
            known = ahead <= 0 and (store, sku) != NEVER_SOLD
            rows.append(
                (
                    *(store, sku, day, float(units) if known else None),
                    *(2.0 + place / 4 - promotion / 4, 1 - noise % 7 / 20, promotion, int(day.day == 1), event),
                    *(float(noise % 12) if known and noise % 13 == 0 else None, "food" if place % 2 else "drink"),
                )
            )
    names = ["store", "sku", "date", "sales", "price", "discount", "promotion", "holiday", "event", "stockout_hours"]
    floats = dict.fromkeys(("sales", "price", "discount", "stockout_hours"), pl.Float32)
    types = {**floats, "promotion": pl.Int8, "holiday": pl.Int8, "event": pl.String}
    table = pl.DataFrame(rows, schema=[*names, "category_1"], orient="row", schema_overrides=types)
    return table.sort("store", "sku", "date")
