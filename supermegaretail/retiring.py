"""Which overrides a model no longer needs: it says the same by itself, and errs no more without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

import numpy as np
from sqlalchemy import Engine

from common.overrides.agreements import Agreement, Agreements, sentence
from common.versions.registry import Registry
from supermegaretail.baseline import moving_average
from supermegaretail.batch_file import SERVICE
from supermegaretail.decisions import functions_of, labels_in_force
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import LEAST_BASE, MOST_DAYS, Forecast, Function, items_of
from supermegaretail.overriding import Scope
from supermegaretail.panel import Key
from supermegaretail.series import known_demand, windows

TOLERANCE = 0.15  # of what the override says, summed over its items and days
LEAST_COMPARED = 7  # items × days, of what is said and of what was sold
KNOWN_DAYS = 14  # the last ones, forecast as of the day before them


def propose(registry: Registry, state: Engine, history: SalesHistory, *, version: str) -> list[str]:
    """Asks a version which overrides in force may go, and keeps that for the overrides' page: a line for each."""
    if history.last_day is None:
        return []
    now = datetime.now(UTC)
    version, labels = labels_in_force(registry, state, version=version, now=now)
    in_force = [one for one in labels.decisions.overrides if one.active(now)]
    in_question, model = functions_of(in_force, [], history.last_day, now=now), labels.forecast_of(history)
    found = [] if model is None else agreements(history, in_question, model, version=version)
    Agreements(state, SERVICE).replace(found)
    return [f"override {one.override_id} may go: {sentence(asdict(one))}" for one in found if one.agrees]


def agreements(
    history: SalesHistory, functions: Sequence[Function], model: Forecast, *, version: str
) -> list[Agreement]:
    """Of each override what `model` says of its days after the last day with sales; others are left out.

    It agrees if its sum is near what the override says (a floor is met by more, a ceiling by less) and its forecasts
    of the last known days err no more than with the override applied to them. Before such days are known it does not.
    """
    assert history.last_day is not None
    about = [items_of(history, one.scope) for one in functions]
    every = sorted({item for items in about for item in items})
    if not every:
        return []
    place = {item: row for row, item in enumerate(every)}
    ahead = model(every, history.last_day, MAX_HORIZON_DAYS)
    before = model(every, history.last_day - timedelta(days=KNOWN_DAYS), KNOWN_DAYS)
    found = []
    for one, items in zip(functions, about, strict=True):
        rows = np.array([place[item] for item in items], np.int64)
        told, said = _decided(history, one, items), ahead[rows]
        both = np.isfinite(told) & np.isfinite(said)
        if (compared := int(both.sum())) < LEAST_COMPARED:
            continue
        ratio = float(said[both].sum() / max(float(told[both].sum()), 1e-9))
        near = (ratio >= 1 - TOLERANCE or one.effect == "ceiling") and (ratio <= 1 + TOLERANCE or one.effect == "floor")
        errors = _errors(history, one, items, before[rows])
        means = [round(error, 4) for error in errors.mean(0).tolist()] if len(errors) else [None, None]
        agrees = bool(near and len(errors) >= LEAST_COMPARED and np.subtract(*errors.mean(0)) <= 0)
        found.append(Agreement(one.name, version, compared, round(min(ratio, 1e6), 4), agrees, len(errors), *means))
    return found


def _decided(history: SalesHistory, function: Function, items: list[Key]) -> Floats:
    """What it says of each day after the last known one [n, 28]; NaN where it says nothing.

    A factor means times the moving average of the day before it began, moved as all other items have moved since:
    seasons are no news to a model.
    """
    assert history.last_day is not None
    told, last_day = np.full((len(items), MAX_HORIZON_DAYS), np.nan), history.last_day.toordinal()
    ahead = last_day - function.first + 1  # days from its beginning to the first one asked about
    days = ahead + MAX_HORIZON_DAYS
    if not items or days < 1 or ahead > MOST_DAYS or function.last <= last_day:
        return told
    since = date.fromordinal(function.first - 1)
    base = moving_average(history, items, as_of=since, horizon_days=days) * _moved(history, function.scope, since)
    base[~(base >= LEAST_BASE)] = np.nan
    shown = function.of(base)[:, max(ahead, 0) :]
    told[:, MAX_HORIZON_DAYS - shown.shape[1] :] = shown
    told[:, max(function.last - last_day, 0) :] = np.nan
    return told


def _moved(history: SalesHistory, scope: Scope, since: date) -> float:
    """What the items that it is not about sell now ÷ what they sold then; 1 where that is not known."""
    assert history.last_day is not None
    others = items_of(history, scope, about=False)
    then, now = (moving_average(history, others, as_of=day, horizon_days=7) for day in (since, history.last_day))
    both = np.isfinite(then) & np.isfinite(now)
    return float(now[both].sum() / then[both].sum()) if then[both].sum() > 0 else 1.0


def _errors(history: SalesHistory, function: Function, items: list[Key], said: Floats) -> Floats:
    """The model's absolute errors [known items and days, 2]: as it is, and with the override applied to it."""
    assert history.last_day is not None
    as_of = history.last_day - timedelta(days=KNOWN_DAYS)
    days = as_of.toordinal() + 1 + np.arange(KNOWN_DAYS)
    series = [history.panel.series[history.panel.places[item]] for item in items]
    sold = known_demand(windows(series, np.full(len(items), days[0]), days=KNOWN_DAYS)).astype(np.float64)
    known = np.isfinite(sold) & np.isfinite(said) & (days >= function.first) & (days <= function.last)
    return np.abs(np.stack([said, function.of(said)], axis=-1) - sold[..., None])[known]
