"""Which overrides a model no longer needs: it says the same by itself, and errs no more without them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from common.overrides.agreements import Agreement
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import Forecast, Function, decided
from supermegaretail.panel import Key
from supermegaretail.series import known_demand, windows

TOLERANCE = 0.15  # of what the override says, summed over its items and days
LEAST_COMPARED = 7  # items × days, of what is said and of what was sold
KNOWN_DAYS = 14  # the last ones, forecast as of the day before them


def agreements(
    history: SalesHistory, functions: Sequence[Function], model: Forecast, *, version: str
) -> list[Agreement]:
    """Of each override what `model` says of its days after the last day with sales; others are left out.

    It agrees if its sum is near what the override says (a floor is met by more, a ceiling by less) and its forecasts
    of the last known days err no more than with the override applied to them. Before such days are known it does not.
    """
    assert history.last_day is not None
    found = []
    for one in functions:
        items, told = decided(history, one, horizon_days=MAX_HORIZON_DAYS)
        if not items:
            continue
        said = model(items, history.last_day, MAX_HORIZON_DAYS)
        both = np.isfinite(told) & np.isfinite(said)
        if (compared := int(both.sum())) < LEAST_COMPARED:
            continue
        ratio = float(said[both].sum() / max(float(told[both].sum()), 1e-9))
        near = (ratio >= 1 - TOLERANCE or one.effect == "ceiling") and (ratio <= 1 + TOLERANCE or one.effect == "floor")
        errors = _errors(history, one, items, model)
        means = [round(error, 4) for error in errors.mean(0).tolist()] if len(errors) else [None, None]
        agrees = bool(near and len(errors) >= LEAST_COMPARED and np.subtract(*errors.mean(0)) <= 0)
        found.append(Agreement(one.name, version, compared, round(min(ratio, 1e6), 4), agrees, len(errors), *means))
    return found


def _errors(history: SalesHistory, function: Function, items: list[Key], model: Forecast) -> Floats:
    """The model's absolute errors [known items and days, 2]: as it is, and with the override applied to it."""
    assert history.last_day is not None
    as_of = history.last_day - timedelta(days=KNOWN_DAYS)
    days = as_of.toordinal() + 1 + np.arange(KNOWN_DAYS)
    series = [history.panel.series[history.panel.places[item]] for item in items]
    sold = known_demand(windows(series, np.full(len(items), days[0]), days=KNOWN_DAYS)).astype(np.float64)
    said = model(items, as_of, KNOWN_DAYS)
    known = np.isfinite(sold) & np.isfinite(said) & (days >= function.first) & (days <= function.last)
    return np.abs(np.stack([said, function.of(said)], axis=-1) - sold[..., None])[known]
