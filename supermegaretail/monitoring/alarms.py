"""Figures out of sums, and which of them should alarm somebody: pure functions and their thresholds.

A figure alarms when it is beyond its threshold and further off than chance explains, so that a few unlucky days do not.
What chance explains is told by how far the figures of whole days are apart: all forecasts for one day, of any item and
distance, err together, so a day counts as one observation. Days that follow each other err alike, too, so the error of
their mean is widened by how much they do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supermegaretail.monitoring.scoring import ABOVE_EVER, Group, Maker, Sums

NOT_JUDGED = frozenset({"constant"})  # it claims nothing about the demand
LEAST = 1e-9  # a sum up to that is 0: sums of differences do not come out even
MOST_ALIKE = 0.9  # autocorrelation of days
ALARMS = ("bias", "worse_than_average", "coverage", "negative", "above_ever")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on figures alarm."""

    least_forecasts: int = 50  # items × days; below, only a single absurd forecast alarms
    bias: float = 0.1  # share of what was sold, in either direction
    error_to_average: float = 1.0  # error ÷ error of the moving average
    coverage: float = 0.05  # share of days: five points
    least_days: int = 7  # with a score; below, nothing can be said about how far days are apart
    standard_errors: float = 3.0  # of a share whose days are many; of fewer days as many more as Student's t asks


@dataclass(frozen=True, slots=True)
class Alarm:
    """One figure of one tier and version that is not as it should be, in a plain sentence with its numbers."""

    name: str
    tier: str
    version: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.name, self.tier, self.version


@dataclass(frozen=True, slots=True)
class Figures:
    """What forecasts came to. Shares are of what was sold; None where nothing can be said."""

    forecasts: int  # items × days
    wape: float | None  # Σ|error| ÷ Σ sold
    bias: float | None  # Σ error ÷ Σ sold; above 0: more was forecast than sold
    error_to_average: float | None  # Σ|error| ÷ Σ|error of the moving average as of the same day|
    coverage: dict[str, float]  # by quantile: share of days on which not more than it was sold
    negative: int
    above_ever: int

    def as_json(self) -> dict[str, Any]:
        return {
            "forecasts": self.forecasts,
            "wape": _rounded(self.wape),
            "bias": _rounded(self.bias),
            "error_to_average": _rounded(self.error_to_average),
            "coverage": {level: round(share, 4) for level, share in self.coverage.items()},
            "negative": self.negative,
            "above_ever": self.above_ever,
        }


def figures(sums: Sums) -> Figures:
    """The figures of one group, or of several added up."""
    sold = sums.get("actual", 0.0)
    return Figures(
        forecasts=round(sums.get("forecasts", 0)),
        wape=_share(sums.get("absolute_error", 0.0), sold),
        bias=_share(sums.get("demand", 0.0) - sold, sold),
        error_to_average=_share(sums.get("compared_error", 0.0), sums.get("average_error", 0.0)),
        coverage={level: sums.get(f"upto@{level}", 0.0) / told for level, told in _told(sums)},
        negative=round(sums.get("negative", 0)),
        above_ever=round(sums.get("above_ever", 0)),
    )


def added_up(groups: Mapping[Group, Sums], *, by: tuple[int, ...]) -> dict[tuple[str, ...], Sums]:
    """Sums by some places of the group, for example (0, 1): by tier and version, over all horizons."""
    total: dict[tuple[str, ...], Sums] = {}
    for group, sums in groups.items():
        into = total.setdefault(tuple(group[place] for place in by), {})
        for figure, value in sums.items():
            into[figure] = into.get(figure, 0.0) + value
    return total


def alarms(daily: Mapping[Maker, Sequence[Sums]], limits: Limits) -> list[Alarm]:
    """What should alarm somebody, by tier and version, from the sums of each scored day, oldest first."""
    return [
        Alarm(name, tier, version, f"{tier} {version}: {text}")
        for (tier, version), days in sorted(daily.items())
        if tier not in NOT_JUDGED
        for name, text in _judged(days, limits)
    ]


def chance(parts: Sequence[float], wholes: Sequence[float], limits: Limits) -> float:
    """How far Σ parts ÷ Σ wholes may be from its true value by chance; one part and one whole per day, oldest first.

    The standard error of a ratio of sums (Cochran, Sampling Techniques, 1977) with days as its observations, times what
    Student's t asks of so few of them, times √((1+r)/(1-r)) for days whose errors have the autocorrelation r (Bartlett
    1935). Infinite where fewer than `least_days` days say anything.
    """
    seen = [(part, whole) for part, whole in zip(parts, wholes, strict=True) if max(abs(part), whole) > LEAST]
    days, whole = len(seen), sum(one for _, one in seen)
    if days < max(limits.least_days, 2) or whole <= LEAST:
        return math.inf
    share = sum(part for part, _ in seen) / whole
    apart = [part - share * one for part, one in seen]
    squares = sum(one * one for one in apart)
    if squares <= LEAST:
        return 0.0
    standard_error = math.sqrt(squares * days / (days - 1)) / whole
    measured = sum(now * before for now, before in zip(apart[1:], apart, strict=False)) / squares
    alike = measured + (1 + 3 * max(measured, 0.0)) / days  # of few days it is measured too low
    alike = min(max(alike, 0.0), MOST_ALIKE)
    return _students_t(limits.standard_errors, days - 1) * math.sqrt((1 + alike) / (1 - alike)) * standard_error


def _students_t(z: float, freedom: int) -> float:
    """The quantile of Student's t as unlikely as `z` is of the normal: Fisher and Cornish's expansion (1960)."""
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _judged(days: Sequence[Sums], limits: Limits) -> Iterator[tuple[str, str]]:
    sums = _total(days)
    seen = figures(sums)
    if seen.negative:
        yield "negative", f"{seen.negative} of {seen.forecasts} forecasts were negative"
    if seen.above_ever:
        more = _percent(ABOVE_EVER - 1, 0)
        yield (
            "above_ever",
            f"{seen.above_ever} of {seen.forecasts} forecasts were more than {more} above the most ever sold",
        )
    if seen.forecasts >= limits.least_forecasts and len(days) >= limits.least_days:
        yield from _bias(days, sums, seen, limits)
        yield from _worse_than_average(days, sums, seen, limits)
        yield from _coverage(days, sums, limits)


def _bias(days: Sequence[Sums], sums: Sums, seen: Figures, limits: Limits) -> Iterator[tuple[str, str]]:
    demand, actual = sums.get("demand", 0.0), sums.get("actual", 0.0)
    if seen.bias is None:
        biased = demand > limits.standard_errors**2  # nothing sold: Poisson's error is the root of what was expected
    else:
        errors = [day.get("demand", 0.0) - day.get("actual", 0.0) for day in days]
        by_chance = chance(errors, _column(days, "actual"), limits)
        biased = abs(seen.bias) > max(limits.bias, by_chance)
    if biased:
        direction = "more" if demand > actual else "less"
        share = "" if seen.bias is None else f", {_percent(abs(seen.bias), 1)} {direction}"
        yield (
            "bias",
            f"{demand:,.0f} units were forecast and {actual:,.0f} sold{share}"
            f" (alarm from {_percent(limits.bias, 0)} on, {seen.forecasts} forecasts)",
        )


def _worse_than_average(days: Sequence[Sums], sums: Sums, seen: Figures, limits: Limits) -> Iterator[tuple[str, str]]:
    ratio, compared = seen.error_to_average, sums.get("compared", 0.0)
    if ratio is None or compared < limits.least_forecasts:
        return
    by_chance = chance(_column(days, "compared_error"), _column(days, "average_error"), limits)
    if ratio > limits.error_to_average and ratio - 1 > by_chance:
        yield (
            "worse_than_average",
            f"the error is {ratio:.2f} times that of the moving average over {compared:.0f} forecasts",
        )


def _coverage(days: Sequence[Sums], sums: Sums, limits: Limits) -> Iterator[tuple[str, str]]:
    """In whole units a quantile is right if its level lies between the share below it and the share up to it."""
    found = []
    for level, told in _told(sums):
        if told < limits.least_forecasts:
            continue
        wanted, below = float(level), sums.get(f"below@{level}", 0.0) / told
        upto = sums.get(f"upto@{level}", 0.0) / told
        off, side = max((below - wanted, f"below@{level}"), (wanted - upto, f"upto@{level}"))
        if off <= limits.coverage:
            continue
        binomial = limits.standard_errors * math.sqrt(wanted * (1 - wanted) / told)  # if all were independent
        if off > max(binomial, chance(_column(days, side), _column(days, f"told@{level}"), limits)):
            found.append(f"the {level} quantile covered {_percent(upto, 1)} of {told:.0f} days")
    if found:
        yield "coverage", "; ".join(found)


def _total(days: Sequence[Sums]) -> Sums:
    total: Sums = {}
    for day in days:
        for figure, value in day.items():
            total[figure] = total.get(figure, 0.0) + value
    return total


def _column(days: Sequence[Sums], figure: str) -> list[float]:
    return [day.get(figure, 0.0) for day in days]


def _told(sums: Sums) -> list[tuple[str, float]]:
    levels = sorted((figure.partition("@")[2] for figure in sums if figure.startswith("told@")), key=float)
    return [(level, told) for level in levels if (told := sums[f"told@{level}"]) > 0.5]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > LEAST else None


def _percent(share: float, decimals: int) -> str:
    return f"{100 * share:.{decimals}f} %"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
