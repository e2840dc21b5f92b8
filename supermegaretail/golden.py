"""Golden probes of the models: some items of the training data, with what the models said of them when published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from common.versions.probes import probes_file
from supermegaretail.features import Floats, core_design, per_target_day

if TYPE_CHECKING:
    from supermegaretail.core.model import CoreModel
    from supermegaretail.correction.model import CorrectionModel
    from supermegaretail.history import SalesHistory
    from supermegaretail.spread import Spread

LIBRARIES = ("lightgbm", "numpy")
PROBED_ITEMS = 6
PROBED_DAYS = 7  # every weekday
LEVELS = (0.1, 0.5, 0.9)
# Of trees, exponentials and a table looked up in between: numpy without its AVX-512 and AVX2 kernels moves an answer by
# less than 1e-15 of itself. A split at just that number could be taken the other way, but features have four decimals.
TOLERANCE = 1e-9


def questions_of(history: SalesHistory, core: CoreModel) -> list[dict[str, Any]]:
    """Items spread over the whole assortment, as of the last day of the sales."""
    as_of = history.last_day
    keys = list(history.panel.places)
    if as_of is None or not keys:
        return []
    items = [keys[place] for place in sorted({*np.linspace(0, len(keys) - 1, PROBED_ITEMS).astype(int).tolist()})]
    inputs = history.inputs(items, as_of=as_of, horizon_days=PROBED_DAYS)
    demand = core.predict(inputs.stable, as_of=as_of, horizon_days=PROBED_DAYS)
    return [
        {"as_of": as_of.isoformat(), "stable": stable, "extended": extended, "core_demand": days}
        for stable, extended, days in zip(
            inputs.stable.tolist(), inputs.extended.tolist(), demand.tolist(), strict=True
        )
    ]


def core_probes(core: CoreModel, questions: Sequence[dict[str, Any]]) -> bytes:
    """The artifact of the core model."""
    return probes_file(questions, lambda asked: core_answer(core, asked), libraries=LIBRARIES, tolerance=TOLERANCE)


def correction_probes(correction: CorrectionModel, questions: Sequence[dict[str, Any]]) -> bytes:
    """The artifact of the correction model."""
    return probes_file(
        questions, lambda asked: correction_answer(correction, asked), libraries=LIBRARIES, tolerance=TOLERANCE
    )


def core_answer(core: CoreModel, asked: dict[str, Any]) -> dict[str, Any]:
    """What a core says to one of `questions_of`."""
    stable, as_of = _floats([asked["stable"]]), date.fromisoformat(asked["as_of"])
    demand = core.predict(stable, as_of=as_of, horizon_days=PROBED_DAYS)
    return _told(core.spread, demand, stable, as_of)


def correction_answer(correction: CorrectionModel, asked: dict[str, Any]) -> dict[str, Any]:
    """What a correction says to one of `questions_of`."""
    stable, as_of = _floats([asked["stable"]]), date.fromisoformat(asked["as_of"])
    extended, core_demand = _floats([asked["extended"]]), _floats([asked["core_demand"]])
    demand = correction.predict(stable, extended, core_demand, as_of=as_of, horizon_days=PROBED_DAYS)
    return _told(correction.spread, demand, stable, as_of)


def _told(spread: Spread | None, demand: Floats, stable: Floats, as_of: date) -> dict[str, Any]:
    design = core_design(*per_target_day(stable, as_of=as_of, horizon_days=PROBED_DAYS))
    quantiles = None if spread is None else spread.quantiles(demand.ravel(), design, LEVELS).tolist()
    return {"demand": demand[0].tolist(), "quantiles": quantiles}


def _floats(values: Any) -> Floats:
    """With NaN where JSON has null."""
    return np.asarray(values, dtype=np.float64)
