"""What is promised, whether it was kept, and the verdict in plain words: pure functions over figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.figures import Figures

# "full": the models are well. "degraded": they are not. "recovery": between the two.
# "dead": as degraded, and besides nothing can come from a model.
Expected = Literal["full", "degraded", "dead", "recovery"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The promises as numbers; Locust's gate and the tour share them."""

    budget_ms: float = 300  # sent as X-Timeout-Ms
    late_share: float = 0.005  # of the requests of a phase, rounded up to a whole request
    limit_ms: float = 400  # not even a late answer takes longer
    healthy_degraded_share: float = 0.5  # at most, while the models are well: a slow machine may need its fallbacks
    full_quality_within_seconds: float = 15.0
    full_quality_streak: int = 5  # answers in a row that count as "back"
    min_requests: int = 10  # fewer prove nothing


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One phase as it went: figures by service, and for a recovery how long full quality took."""

    name: str
    expected: Expected
    figures: Mapping[str, Figures]
    full_quality_after_seconds: float | None = None


def broken_promises(phases: Sequence[PhaseResult], thresholds: Thresholds) -> list[str]:
    """A sentence for every promise that did not hold; empty when all did."""
    return [
        f"{phase.name}, {service}: {sentence}"
        for phase in phases
        for service, figures in phase.figures.items()
        for sentence in (*broken_answers(figures, thresholds), *_broken_quality(phase.expected, figures, thresholds))
    ] + [
        f"{phase.name}: full quality was not back within {thresholds.full_quality_within_seconds:.0f} s"
        for phase in phases
        if phase.expected == "recovery" and phase.full_quality_after_seconds is None
    ]


def broken_answers(figures: Figures, thresholds: Thresholds) -> list[str]:
    """What is wrong with the answers themselves, whoever served them."""
    broken = []
    if figures.well_formed < figures.requests:
        problems = "".join(f"; {count} x {problem}" for problem, count in figures.problems)
        broken.append(f"{figures.requests - figures.well_formed} answers missing or malformed{problems}")
    if figures.late > math.ceil(figures.requests * thresholds.late_share):
        broken.append(f"{figures.late} of {figures.requests} answers after {thresholds.budget_ms:.0f} ms")
    if figures.beyond_limit:
        broken.append(f"{figures.beyond_limit} answers not within {thresholds.limit_ms:.0f} ms")
    return broken


def too_few(figures: Figures, thresholds: Thresholds) -> list[str]:
    """A measurement of next to nothing is no proof."""
    few = figures.requests < thresholds.min_requests
    return [f"only {figures.requests} requests, which proves nothing"] if few else []


def _broken_quality(expected: Expected, figures: Figures, thresholds: Thresholds) -> list[str]:
    if expected != "recovery" and (few := too_few(figures, thresholds)):
        return few
    if expected == "full" and figures.undisturbed_degraded_share > thresholds.healthy_degraded_share:
        return [f"{figures.undisturbed_degraded_share:.0%} degraded while nothing was wrong"]
    if expected in ("degraded", "dead") and not figures.degraded:
        return ["no answer said that it was degraded while the models were out"]
    if expected == "dead" and figures.from_models:
        return [f"{figures.from_models} answers claim to be from a model while it was dead"]
    return []


def verdict(phases: Sequence[PhaseResult]) -> str:
    """Such as "2,431 of 2,431 answered in budget; 37 % degraded, all said so"."""
    everything = [figures for phase in phases for figures in phase.figures.values()]
    requests = sum(figures.requests for figures in everything)
    in_budget = sum(figures.in_budget for figures in everything)
    degraded = sum(figures.degraded for figures in everything)
    malformed = requests - sum(figures.well_formed for figures in everything)
    share = 100 * degraded / requests if requests else 0.0
    honesty = "all said so" if not malformed else f"{malformed:,} answers missing or malformed"
    return f"{in_budget:,} of {requests:,} answered in budget; {share:.0f} % degraded, {honesty}"
