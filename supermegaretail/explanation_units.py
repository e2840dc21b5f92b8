"""From what features add to a logarithm to the units a day that they add to the moving average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from supermegaretail.contract import Contribution
from supermegaretail.explanation_features import GROUP_OF, REST
from supermegaretail.features import Floats

DECIMALS = 4
MOST_TOLD = 6  # contributions beside the rest
LEAST_SHARE = 0.005  # of the moving average or of the demand: what moves less than that is part of the rest
TOLERANCE = 0.002  # of the demand: contributions are rounded on the way, and they must still explain it


def consistent(start: Floats, demand: Floats, logarithms: Mapping[str, Floats]) -> bool:
    """Whether the logarithms [horizon] of all features lead from the models' start [horizon] to this demand."""
    total = np.sum([*logarithms.values()], axis=0)
    if not (np.isfinite(total).all() and (np.abs(total) < 50).all()):
        return False
    return bool(np.allclose(start * np.exp(total), demand, rtol=TOLERANCE, atol=10.0**-DECIMALS))


def in_units(start: Floats, demand: Floats, logarithms: Mapping[str, Floats]) -> dict[str, Floats]:
    """Units a day [horizon] by feature; they add up to `demand` − `start`, also where both are nearly the same.

    Each logarithm is worth the same number of units: the logarithmic mean of `start` and `demand`, both above 0.
    """
    worth = _logarithmic_mean(start, demand)
    return {feature: worth * values for feature, values in logarithms.items()}


def contributions(moving_average: Floats, demand: Floats, units: Mapping[str, Floats]) -> list[Contribution]:
    """The largest in order, and the rest: on each day, as rounded, they add up to `demand` − `moving_average`."""
    moving_average, demand = np.round(moving_average, DECIMALS), np.round(demand, DECIMALS)
    least = LEAST_SHARE * max(float(moving_average.mean()), float(demand.mean()))
    sizes = {feature: float(np.abs(values).mean()) for feature, values in units.items() if feature != REST}
    told = [feature for feature in sorted(sizes, key=lambda name: -sizes[name]) if sizes[feature] > least]
    rounded = {feature: np.round(units[feature], DECIMALS) for feature in told[:MOST_TOLD]}
    rounded[REST] = np.round(demand - moving_average - np.sum([*rounded.values()], axis=0), DECIMALS)
    return [_contribution(feature, values) for feature, values in rounded.items() if values.any()]


def _contribution(feature: str, values: Floats) -> Contribution:
    return Contribution(
        feature=feature,
        group=GROUP_OF.get(feature, feature),
        units_per_day=round(float(values.mean()), DECIMALS) + 0.0,  # no "-0.0"
        per_day=(values + 0.0).tolist(),
    )


def _logarithmic_mean(a: Floats, b: Floats) -> Floats:
    """(b − a) ÷ (ln b − ln a): between the two, and their common value where they are the same."""
    apart = np.log(b) - np.log(a)
    near = np.abs(apart) < 1e-6
    return np.where(near, (a + b) / 2, (b - a) / np.where(near, 1.0, apart))
