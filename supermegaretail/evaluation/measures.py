"""How good a forecast was, in figures.

WAPE      sum of absolute errors ÷ sum of sales
bias      sum of errors ÷ sum of sales; positive means that too much was forecast
RMSSE     root of (mean squared error ÷ mean squared step from one day to the next before the origin), per series, then
          the mean (Hyndman and Koehler 2006); wRMSSE weighs the series by recent revenue. The M5 competition takes the
          steps from all days since the first sale, here they are those of the last 366: figures are close, not equal
pinball   mean loss of a quantile ÷ mean sales: what the level is meant to make small
coverage  of a level: the share of days with sales below the quantile, and the share at or below it. Demand comes in
          whole units, so no quantile can hit a level exactly: the shortfall is how far, in points, the level lies
          outside of these two shares, 0 when it lies between them
width     mean distance between two quantiles ÷ mean sales
"""

from __future__ import annotations

import numpy as np

from supermegaretail.features import Floats
from supermegaretail.series import Floats32

LEVELS = (0.015, 0.25, 0.5, 0.75, 0.95, 0.99)
MIDDLE, WIDE = (1, 3), (0, 5)  # places in LEVELS of the two intervals whose width is told


def wape(sold: Floats, demand: Floats) -> float:
    """0 is best; NaN where nothing was sold."""
    return _share(float(np.nansum(np.abs(demand - sold))), sold)


def point_figures(sold: Floats, demand: Floats, *, step: Floats, revenue: Floats) -> dict[str, float]:
    """`wape`, `bias`, `rmsse`, `wrmsse` over the days [n, horizon] with a known `sold`; `step`, `revenue` are [n]."""
    error = demand - sold
    counted = np.isfinite(error)
    scaled = counted.any(1) & (step > 0)
    mean_square = np.nansum(error[scaled] ** 2, axis=1) / counted[scaled].sum(1)
    rmsse, weight = np.sqrt(mean_square / step[scaled]), revenue[scaled]
    return {
        "wape": wape(sold, demand),
        "bias": _share(float(np.nansum(error)), sold),
        "rmsse": float(rmsse.mean()) if rmsse.size else np.nan,
        "wrmsse": float(rmsse @ weight / weight.sum()) if weight.sum() > 0 else np.nan,
    }


def quantile_figures(sold: Floats, quantiles: Floats | Floats32) -> list[dict[str, float]]:
    """`level`, `pinball`, `below`, `at_or_below`, `shortfall_points` per level; `quantiles` [n, horizon, LEVELS]."""
    known = np.isfinite(sold) & np.isfinite(quantiles).all(2)
    units, asked = sold[known], quantiles[known]
    if not units.size:
        return []
    figures = []
    for place, level in enumerate(LEVELS):
        quantile = asked[:, place]
        below, at_or_below = float((units < quantile).mean()), float((units <= quantile).mean())
        loss = np.maximum(level * (units - quantile), (level - 1) * (units - quantile))
        figures.append(
            {
                "level": level,
                "pinball": _share(float(loss.sum()), units),
                "below": below,
                "at_or_below": at_or_below,
                "shortfall_points": 100 * max(below - level, level - at_or_below, 0.0),
            }
        )
    return figures


def widths(sold: Floats, quantiles: Floats | Floats32) -> dict[str, float]:
    """`width_middle` (0.25 to 0.75) and `width_wide` (0.015 to 0.99), as shares of the mean sales."""
    known = np.isfinite(sold) & np.isfinite(quantiles).all(2)
    units, asked = sold[known], quantiles[known]
    named = {"width_middle": MIDDLE, "width_wide": WIDE}
    return {name: _share(float((asked[:, high] - asked[:, low]).sum()), units) for name, (low, high) in named.items()}


def _share(amount: float, sold: Floats) -> float:
    total = float(np.nansum(sold))
    return amount / total if total > 0 else np.nan
