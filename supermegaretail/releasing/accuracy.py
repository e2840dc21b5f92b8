"""Gates on the last weeks: accuracy and bias against the champion, quantiles, and that what is published is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from common.releases.bootstrap import Statistic, estimate
from common.releases.gate import Finding
from supermegaretail.evaluation.measures import quantile_figures, wape
from supermegaretail.evaluation.slices import WHOLE
from supermegaretail.features import Floats
from supermegaretail.releasing.limits import GateLimits
from supermegaretail.releasing.trial import Trial

NOBODY = "there is no champion yet to compare with"
LEAST_UNITS = 1e-9
MOST_TOLD = 3  # slices in a sentence
Compared = Callable[[float], Statistic]


def accuracy(trial: Trial, limits: GateLimits) -> Finding:
    """WAPE beside the champion's: no slice worse than its limit."""
    if trial.champion is None:
        return Finding("accuracy", True, NOBODY, {"wape": _finite(wape(trial.sold, trial.rehearsal))})
    errors = np.stack([np.abs(trial.rehearsal - trial.sold), np.abs(trial.champion - trial.sold)])

    def worse(limit: float) -> Statistic:
        return lambda sums: sums[..., 0] / _above_0(sums[..., 1]) - 1 - limit

    figures = {"wape": wape(trial.sold, trial.rehearsal), "champion_wape": wape(trial.sold, trial.champion)}
    told = f"WAPE {figures['wape']:.3f}, the champion's {figures['champion_wape']:.3f}"
    return _judged("accuracy", trial, errors, worse, (limits.worse, limits.worse_slice), limits, told, figures)


def bias(trial: Trial, limits: GateLimits) -> Finding:
    """Forecast minus sold as a share of sold: nowhere farther from 0 than the champion's by more than the limit."""
    champion = trial.sold if trial.champion is None else trial.champion  # at first against the truth
    columns = np.stack([trial.rehearsal - trial.sold, champion - trial.sold, trial.sold])

    def farther(limit: float) -> Statistic:
        def statistic(sums: Floats) -> Floats:
            sold = _above_0(sums[..., 2])
            return np.asarray(np.abs(sums[..., 0]) / sold - np.abs(sums[..., 1]) / sold - limit)

        return statistic

    own, before = (_finite(float(np.nansum(column) / np.nansum(trial.sold))) for column in columns[:2])
    told = f"{own:+.1%} of what was sold, the champion's {before:+.1%}"
    figures = {"bias": own, "champion_bias": before}
    return _judged("bias", trial, columns, farther, (limits.biased, limits.biased_slice), limits, told, figures)


def shift(trial: Trial, limits: GateLimits) -> Finding:
    """Nowhere far from the champion: if that is for the better, a person will see it."""
    if trial.champion is None:
        return Finding("shift", True, NOBODY)
    found = _moved("shift", trial, (trial.rehearsal, trial.champion), limits, "the champion")
    return replace(found, passed=found.passed or None)


def published(trial: Trial, limits: GateLimits) -> Finding:
    """The candidate itself says of these days about what its rehearsal says."""
    return _moved("published", trial, (trial.candidate, trial.rehearsal), limits, "its rehearsal")


def _moved(gate: str, trial: Trial, both: tuple[Floats, Floats], limits: GateLimits, other: str) -> Finding:
    """Only in slices that sell something: of the little that slow and new products sell much is learnt by heart."""
    columns = np.where(np.isfinite(trial.sold), np.stack(both), np.nan)

    def moved(limit: float) -> Statistic:
        return lambda sums: np.abs(np.log(_above_0(sums[..., 0]) / _above_0(sums[..., 1]))) - limit

    sold = np.nansum(trial.sold)
    large = {name: part for name, part in trial.slices.items() if np.nansum(trial.sold[part]) >= limits.large * sold}
    ratio = _finite(float(np.nansum(columns[0]) / np.nansum(columns[1])))
    told = f"forecasts {ratio - 1:+.1%} beside {other}"
    allowed = limits.moved, limits.moved
    return _judged(gate, replace(trial, slices=large), columns, moved, allowed, limits, told, {"ratio": ratio})


def calibration(trial: Trial, limits: GateLimits) -> Finding:
    """Each quantile covers about the share of days that it names."""
    if trial.rehearsal_quantiles is None:
        lost = trial.champion_quantiles is not None
        told = "no quantiles, and the champion has some" if lost else "too few sales to learn quantiles from"
        return Finding("calibration", not lost, told)
    own = _shortfall(trial.sold, trial.rehearsal_quantiles)
    before = 0.0 if trial.champion_quantiles is None else _shortfall(trial.sold, trial.champion_quantiles)
    known = trial.champion_quantiles is not None
    told = f"the worst quantile is off by {own:.1f} points" + (f", the champion's by {before:.1f}" if known else "")
    beyond, more = own > limits.shortfall_points, own - before > limits.shortfall_more_points
    passed = None if beyond and not more else not beyond
    return Finding("calibration", passed, told, {"shortfall_points": own, "champion_shortfall_points": before})


def _judged(
    gate: str,
    trial: Trial,
    columns: Floats,
    beyond: Compared,
    allowed: tuple[float, float],
    limits: GateLimits,
    told: str,
    figures: dict[str, float],
) -> Finding:
    """Of all days and of each slice: surely beyond its limit fails, probably beyond it leaves the gate in doubt."""
    failed, doubtful = list[str](), list[str]()
    for name, excess, sigma in _slices(trial, columns, beyond, allowed, limits):
        z = excess / sigma if sigma > 0 else np.inf * np.sign(excess) if excess else 0.0
        figures[f"{name}: beyond its limit"] = excess
        text = f"{name}: {excess:+.1%} beyond its limit, {min(z, 99):.1f} standard errors"
        if z > limits.sure:
            failed.append(text)
        elif z > limits.doubtful:
            doubtful.append(text)
    passed = False if failed else None if doubtful else True
    worst = "; ".join((failed or doubtful)[:MOST_TOLD])
    more = f" (and {len(failed or doubtful) - MOST_TOLD} more)" if len(failed or doubtful) > MOST_TOLD else ""
    return Finding(gate, passed, told + (f"; {worst}{more}" if worst else ""), figures)


def _slices(
    trial: Trial, columns: Floats, beyond: Compared, allowed: tuple[float, float], limits: GateLimits
) -> Iterator[tuple[str, float, float]]:
    """Name, excess and its standard error of what is large enough to be judged."""
    known = np.isfinite(columns).all(0)
    for name, flags in trial.slices.items():
        counted = known & flags
        if name != WHOLE and (counted.sum() < limits.least_days or counted.any(1).sum() < limits.least_items):
            continue
        excess, sigma = estimate(np.where(counted, columns, np.nan), beyond(allowed[name != WHOLE]))
        if np.isfinite(excess):
            yield name, excess, sigma


def _shortfall(sold: Floats, quantiles: Floats) -> float:
    return max((row["shortfall_points"] for row in quantile_figures(sold, quantiles)), default=0.0)


def _above_0(units: Floats) -> Floats:
    return np.asarray(np.maximum(units, LEAST_UNITS))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
