"""The money view: what is left over and what is lost when a store orders up to a quantile of each day's demand.

A tier without quantiles of its own gets them as its mean plus the spread of its errors after the earlier origin, per
series in units of the usual step. Each day stands for itself: what is left over is not sold on the next.
"""

from __future__ import annotations

import numpy as np

from supermegaretail.evaluation.measures import LEVELS
from supermegaretail.evaluation.outcome import Outcome
from supermegaretail.features import Floats
from supermegaretail.series import Floats32

SERVICE_LEVELS = (0.5, 0.75, 0.95, 0.99)


def spread(outcome: Outcome, demand: Floats) -> Floats:
    """The quantiles [LEVELS] of the errors (sold − forecast), in units of each series' usual step."""
    scaled = (outcome.sold - demand) / _usual(outcome)[:, None]
    known = scaled[np.isfinite(scaled)]
    return np.quantile(known, LEVELS) if known.size else np.full(len(LEVELS), np.nan)


def spread_around(outcome: Outcome, demand: Floats, errors: Floats) -> Floats32:
    """Quantiles [n, horizon, LEVELS] from a tier's mean and the `spread` of its earlier errors; never below 0."""
    around = demand[:, :, None] + _usual(outcome)[:, None, None] * errors
    return np.maximum(around, 0).astype(np.float32)


def money_view(outcome: Outcome, quantiles: Floats | Floats32) -> list[dict[str, float]]:
    """Per service level `overstock`, `lost` (shares of the units sold) and the same in money (NaN without prices)."""
    known = np.isfinite(outcome.sold) & np.isfinite(quantiles).all(2)
    units, price = outcome.sold[known], outcome.price[known]
    priced = np.isfinite(price)
    turnover = float((units * price)[priced].sum())
    rows = []
    for level in SERVICE_LEVELS if units.sum() > 0 else ():
        order = quantiles[known][:, LEVELS.index(level)]
        over, lost = np.maximum(order - units, 0), np.maximum(units - order, 0)
        money = {
            f"{name}_money": float((amount * price)[priced].sum()) / turnover if turnover > 0 else np.nan
            for name, amount in (("overstock", over), ("lost", lost))
        }
        shares = {"overstock": float(over.sum() / units.sum()), "lost": float(lost.sum() / units.sum())}
        rows.append({"level": level, **shares, **money})
    return rows


def _usual(outcome: Outcome) -> Floats:
    """Each series' usual step in units [n], never 0."""
    return np.sqrt(np.where(outcome.step > 0, outcome.step, 1.0))
