"""One origin measured: every tier in every part of the outcome, as rows for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from supermegaretail.evaluation.measures import point_figures, quantile_figures, wape, widths
from supermegaretail.evaluation.orders import money_view, spread, spread_around
from supermegaretail.evaluation.outcome import Outcome
from supermegaretail.evaluation.slices import WHOLE, buckets
from supermegaretail.evaluation.tiers import Made
from supermegaretail.features import Floats
from supermegaretail.series import Floats32, Ints
from supermegaretail.states import Flags

Rows: TypeAlias = list[dict[str, Any]]


@dataclass(slots=True)
class Findings:
    """Rows of the report's tables, in the making."""

    figures: Rows = field(default_factory=list)
    quantiles: Rows = field(default_factory=list)
    money: Rows = field(default_factory=list)
    seconds: Rows = field(default_factory=list)
    daily: Rows = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the days that were forecast."""

    name: str
    kind: str  # whole, horizon, slice
    days: Flags  # [n, horizon]


def parts_of(outcome: Outcome, slices: Mapping[str, Flags]) -> list[Part]:
    """The whole, its horizon buckets where there is more than one, and the slices."""
    n, horizon_days = outcome.sold.shape
    bucket_columns = buckets(horizon_days)
    parts = [Part(WHOLE, "whole", np.ones((n, horizon_days), bool))]
    for name, columns in bucket_columns.items() if len(bucket_columns) > 1 else ():
        days = np.zeros(horizon_days, bool)
        days[columns] = True
        parts.append(Part(name, "horizon", np.broadcast_to(days, (n, horizon_days))))
    return [*parts, *(Part(name, "slice", days) for name, days in slices.items())]


def some(outcome: Outcome, rows: Ints) -> Outcome:
    """The outcome of these rows alone."""
    names = ("sold", "step", "revenue", "price", "before", "during")
    arrays: dict[str, Any] = {name: getattr(outcome, name)[rows] for name in names}
    return replace(outcome, items=[outcome.items[row] for row in rows], **arrays)


def measure(
    findings: Findings,
    outcome: Outcome,
    made: Mapping[str, Made],
    parts: list[Part],
    *,
    scope: str,
    earlier: Mapping[str, Floats],
    judged: bool,
) -> dict[str, Floats]:
    """Adds this origin's rows and returns the spread of each tier's errors, by which the next origin makes quantiles.

    `earlier` are the spreads after the origin before; quantiles and money are told where `judged`.
    """
    for tier, one in made.items():
        named = {"scope": scope, "tier": tier}
        findings.seconds.append({**named, "cpu_seconds": one.cpu_seconds})
        for day in range(outcome.sold.shape[1]):
            figure = wape(outcome.sold[:, day], one.demand[:, day])
            findings.daily.append({**named, "day": day + 1, "wape": figure})
        quantiles, source = _quantiles(outcome, one, earlier.get(tier)) if judged else (None, "")
        for part in parts:
            _measure_part(findings, outcome, one, quantiles, part, {**named, "source": source})
        if quantiles is not None:
            findings.money += [{**named, "source": source, **row} for row in money_view(outcome, quantiles)]
    return {tier: spread(outcome, one.demand) for tier, one in made.items()}


def _quantiles(outcome: Outcome, made: Made, errors: Floats | None) -> tuple[Floats32 | None, str]:
    if made.quantiles is not None:
        return made.quantiles, "model"
    return (None, "") if errors is None else (spread_around(outcome, made.demand, errors), "errors")


def _measure_part(
    findings: Findings, outcome: Outcome, made: Made, quantiles: Floats32 | None, part: Part, named: dict[str, str]
) -> None:
    rows = np.flatnonzero(part.days.any(1))
    sold = np.where(part.days[rows], outcome.sold[rows], np.nan)
    known = np.isfinite(sold)
    told = {"part": part.name, "kind": part.kind}
    point = point_figures(sold, made.demand[rows], step=outcome.step[rows], revenue=outcome.revenue[rows])
    counts = {"days": int(known.sum()), "series": int(known.any(1).sum())}
    width = widths(sold, quantiles[rows]) if quantiles is not None else {"width_middle": np.nan, "width_wide": np.nan}
    findings.figures.append({"scope": named["scope"], **told, "tier": named["tier"], **counts, **point, **width})
    if quantiles is not None:
        findings.quantiles += [{**named, **told, **row} for row in quantile_figures(sold, quantiles[rows])]
