"""From where on a gate closes. Every limit has its reason; a figure must be beyond its limit by more than chance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """Shares are from 0 to 1; ratios are candidate ÷ champion."""

    least_new_days: int = 7  # fewer do not hold every weekday, and two models could not be told apart on them
    # Error (WAPE) above the champion's. Retraining with another seed alone moves the whole by 1 %, a slice by 5 %.
    worse: float = 0.03
    worse_slice: float = 0.10
    # Share of what was sold, beyond the champion's own: demand moves, and both models are late alike.
    biased: float = 0.03
    biased_slice: float = 0.08
    moved: float = 0.10  # forecasts of one recipe: another seed, or a few more weeks, move no slice so far …
    large: float = 0.05  # … if it has this share of what is sold
    # Standard errors of a paired bootstrap. Of some fifty figures chance alone puts none beyond the one, few beyond
    # the other.
    sure: float = 3.5
    doubtful: float = 2.75
    least_days: int = 100  # items × days in a slice, and
    least_items: int = 5  # of so many items: fewer are told by no statistics
    shortfall_points: float = 6.0  # a quantile's coverage away from its level, and
    shortfall_more_points: float = 3.0  # farther than the champion's
    same: float = 1e-6  # relative: the same question asked in another way
    wrong_way: float = 0.01  # mean change of a forecast against the sense of what changed
    slower: float = 2.0  # ratio of medians; two runs of one model stay below 1.2 on a busy machine
    slower_doubtful: float = 1.4
    larger: float = 2.0  # ratio of bytes: as many trees of as many leaves hardly differ in size
    larger_doubtful: float = 1.4
    implausible: float = 0.001  # share of forecasts above the plausible maximum


LIMITS = GateLimits()
