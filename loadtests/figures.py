"""What was measured, and what it amounts to: pure functions over samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.checks import FORECAST_TIERS, MODEL_TIERS, SEARCH_TIERS, Reading

DISTURBED_MS = 20.0  # a longer pause may have cost a model its time
SILENCE = "no answer"  # how the problem of a missing answer begins


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of the tour, from sending to the last byte of its answer."""

    service: str
    phase: str
    sent_at: float  # seconds on the event loop's clock
    took_ms: float
    stalled_ms: float  # the part of it in which the machine stood still, see `StallWatch`
    reading: Reading
    kind: str = ""  # of the request, as a report calls it

    @property
    def waited_ms(self) -> float:
        """How long the service can have taken; a pause of the machine is not the service's."""
        return self.took_ms - self.stalled_ms

    @property
    def arrived_at(self) -> float:
        return self.sent_at + self.took_ms / 1e3

    @property
    def well_formed(self) -> bool:
        return self.reading.problem is None

    @property
    def full_quality(self) -> bool:
        return self.well_formed and not self.reading.degraded


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of the table. Counts are requests; `tiers`: the share of entries that each tier served, best first."""

    requests: int = 0
    in_budget: int = 0  # well-formed, and within the budget
    beyond_limit: int = 0
    well_formed: int = 0
    degraded: int = 0
    from_models: int = 0  # answers in which a model is said to have served
    tiers: tuple[tuple[str, float], ...] = ()
    reasons: tuple[tuple[str, float], ...] = ()  # the same of the degraded entries by their reason, commonest first
    p50_ms: float = math.nan
    p95_ms: float = math.nan
    p99_ms: float = math.nan
    slowest_ms: float = math.nan
    undisturbed: int = 0  # well-formed answers during which the machine ran
    undisturbed_degraded: int = 0  # not for want of time alone: a slow machine is no fault of the services
    excused: int = 0  # in budget only because a pause of the machine was taken off
    longest_stall_ms: float = 0.0
    problems: tuple[tuple[str, int], ...] = ()

    @property
    def degraded_share(self) -> float:
        return self.degraded / self.requests if self.requests else 0.0

    @property
    def undisturbed_degraded_share(self) -> float:
        return self.undisturbed_degraded / self.undisturbed if self.undisturbed else 0.0

    @property
    def late(self) -> int:
        """Well-formed answers that came after the budget."""
        return self.well_formed - self.in_budget


def summarise(samples: Sequence[Sample], *, budget_ms: float, limit_ms: float) -> Figures:
    """The figures of these samples."""
    if not samples:
        return Figures()
    took = sorted(sample.took_ms for sample in samples)
    good = [sample for sample in samples if sample.well_formed]
    undisturbed = [sample for sample in good if sample.stalled_ms <= DISTURBED_MS]
    return Figures(
        requests=len(samples),
        in_budget=sum(sample.waited_ms <= budget_ms for sample in good),
        beyond_limit=sum(sample.waited_ms > limit_ms for sample in samples),
        well_formed=len(good),
        degraded=sum(sample.reading.degraded for sample in good),
        from_models=sum(not MODEL_TIERS.isdisjoint(sample.reading.tiers) for sample in good),
        tiers=_tier_shares(tier for sample in good for tier in sample.reading.tiers),
        reasons=_shares(reason for sample in good for reason in sample.reading.reasons),
        p50_ms=percentile(took, 50),
        p95_ms=percentile(took, 95),
        p99_ms=percentile(took, 99),
        slowest_ms=took[-1],
        undisturbed=len(undisturbed),
        undisturbed_degraded=sum(sample.reading.degraded and not _too_slow(sample) for sample in undisturbed),
        excused=sum(sample.waited_ms <= budget_ms < sample.took_ms for sample in good),
        longest_stall_ms=max(sample.stalled_ms for sample in samples),
        problems=tuple(Counter(s.reading.problem for s in samples if s.reading.problem is not None).most_common(3)),
    )


def _too_slow(sample: Sample) -> bool:
    """Whether time was short for a better tier, and nothing else was wrong."""
    whys = {reason.rpartition(":")[2] for reason in sample.reading.reasons}
    return "no_time" in whys and whys <= {"no_time", "confident"}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (the nearest-rank definition)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def full_quality_after(samples: Iterable[Sample], *, since: float, streak: int) -> float | None:
    """Seconds from `since` until answers were at full quality `streak` times in a row; None while they were not."""
    in_a_row, first = 0, math.nan
    for sample in sorted(samples, key=lambda sample: sample.sent_at):
        if sample.sent_at < since or _too_slow(sample):  # which says nothing of who is back
            continue
        if not sample.full_quality:
            in_a_row = 0
            continue
        first = sample.sent_at if in_a_row == 0 else first
        in_a_row += 1
        if in_a_row == streak:
            return first - since
    return None


def _tier_shares(tiers: Iterable[str]) -> tuple[tuple[str, float], ...]:
    shares = dict(_shares(tiers))
    return tuple((tier, shares[tier]) for tier in (*FORECAST_TIERS, *SEARCH_TIERS) if tier in shares)


def _shares(names: Iterable[str]) -> tuple[tuple[str, float], ...]:
    counts = Counter(names)
    total = counts.total()
    return tuple((name, count / total) for name, count in counts.most_common())
