"""Figures out of sums, and which of them should alarm somebody: pure functions and their thresholds.

A figure alarms when it is beyond its threshold and further off than chance explains (`standard_errors`), so that a few
unlucky days do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supermegaretail.monitoring.scoring import ABOVE_EVER, Group, Sums

NOT_JUDGED = frozenset({"constant"})  # it claims nothing about the demand
ALARMS = ("bias", "worse_than_average", "coverage", "negative", "above_ever")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on figures alarm."""

    least_forecasts: int = 50  # items × days; below, only a single absurd forecast alarms
    bias: float = 0.1  # share of what was sold, in either direction
    error_to_average: float = 1.0  # error ÷ error of the moving average
    coverage: float = 0.05  # share of days: five points
    standard_errors: float = 3.0


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


def alarms(groups: Mapping[Group, Sums], limits: Limits) -> list[Alarm]:
    """What should alarm somebody, by tier and version over all horizons."""
    return [
        Alarm(name, tier, version, f"{tier} {version}: {text}")
        for (tier, version), sums in sorted(added_up(groups, by=(0, 1)).items())
        if tier not in NOT_JUDGED
        for name, text in _judged(sums, limits)
    ]


def _judged(sums: Sums, limits: Limits) -> Iterator[tuple[str, str]]:
    seen = figures(sums)
    if seen.negative:
        yield "negative", f"{seen.negative} of {seen.forecasts} forecasts were negative"
    if seen.above_ever:
        more = _percent(ABOVE_EVER - 1, 0)
        yield (
            "above_ever",
            f"{seen.above_ever} of {seen.forecasts} forecasts were more than {more} above the most ever sold",
        )
    if seen.forecasts >= limits.least_forecasts:
        yield from _bias(sums, seen, limits)
        yield from _worse_than_average(sums, seen, limits)
        yield from _coverage(sums, limits)


def _bias(sums: Sums, seen: Figures, limits: Limits) -> Iterator[tuple[str, str]]:
    chance = limits.standard_errors * math.sqrt(max(sums.get("squared_error", 0.0), 0.0))
    off = sums.get("demand", 0.0) - sums.get("actual", 0.0)
    if abs(off) > max(limits.bias * sums.get("actual", 0.0), chance):
        direction = "more" if off > 0 else "less"
        share = "" if seen.bias is None else f", {_percent(abs(seen.bias), 1)} {direction}"
        yield (
            "bias",
            f"{sums.get('demand', 0.0):,.0f} units were forecast and {sums.get('actual', 0.0):,.0f} sold{share}"
            f" (alarm from {_percent(limits.bias, 0)} on, {seen.forecasts} forecasts)",
        )


def _worse_than_average(sums: Sums, seen: Figures, limits: Limits) -> Iterator[tuple[str, str]]:
    ratio, compared = seen.error_to_average, sums.get("compared", 0.0)
    if ratio is None or compared < limits.least_forecasts:
        return
    apart = sums.get("compared_error", 0.0) - sums.get("average_error", 0.0)
    chance = limits.standard_errors * math.sqrt(max(sums.get("apart_squared", 0.0), 0.0))
    if ratio > limits.error_to_average and apart > chance:
        yield (
            "worse_than_average",
            f"the error is {ratio:.2f} times that of the moving average over {compared:.0f} forecasts",
        )


def _coverage(sums: Sums, limits: Limits) -> Iterator[tuple[str, str]]:
    """In whole units a quantile is right if its level lies between the share below it and the share up to it."""
    found = []
    for level, told in _told(sums):
        if told < limits.least_forecasts:
            continue
        wanted, below = float(level), sums.get(f"below@{level}", 0.0) / told
        upto = sums.get(f"upto@{level}", 0.0) / told
        off = max(below - wanted, wanted - upto)
        chance = limits.standard_errors * math.sqrt(wanted * (1 - wanted) / told)
        if off > max(limits.coverage, chance):
            found.append(f"the {level} quantile covered {_percent(upto, 1)} of {told:.0f} days")
    if found:
        yield "coverage", "; ".join(found)


def _told(sums: Sums) -> list[tuple[str, float]]:
    levels = sorted((figure.partition("@")[2] for figure in sums if figure.startswith("told@")), key=float)
    return [(level, told) for level in levels if (told := sums[f"told@{level}"]) > 0.5]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 1e-9 else None


def _percent(share: float, decimals: int) -> str:
    return f"{100 * share:.{decimals}f} %"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
