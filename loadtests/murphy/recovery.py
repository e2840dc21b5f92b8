"""Is a service well, and since when? By its degraded answers, next to how many it gives when nothing is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from loadtests.checks import NOT_NEEDED
from loadtests.figures import Sample

STREAK = 3  # answers of full quality in a row; one that only ran out of time does not end it
LASTS_SECONDS = 2.0  # beyond the streak: so long it has to go on
MORE_THAN_USUAL = 0.10  # of the answers, beside the share of the stretch without any fault
DEGRADED_WHEN_WELL = 0.20  # of the answers; a busy machine needs its fallbacks
NO_TIME = frozenset({"timeout", "no_time"})

Stalled = Callable[[float, float], float]  # seconds that the machine stood still between two readings of the clock


def out_of_time(sample: Sample) -> bool:
    """Degraded for lack of time alone: on a busy machine, or because the model's calls hang."""
    reasons = [one.rpartition(":")[2] for reason in sample.reading.reasons for one in reason.split(", ")]
    return sample.reading.degraded and bool(reasons) and set(reasons) <= NO_TIME | NOT_NEEDED


def degraded_share(samples: Iterable[Sample]) -> float:
    """Of the well-formed answers during which the machine ran."""
    calm = [sample for sample in samples if sample.well_formed and sample.stalled_ms == 0]
    return sum(sample.reading.degraded for sample in calm) / max(1, len(calm))


def is_untouched(samples: Sequence[Sample], *, usual: float) -> bool:
    """No more of these are degraded than of a service that is well; `usual`: the share without any fault."""
    calm = sum(sample.well_formed and sample.stalled_ms == 0 for sample in samples)
    return degraded_share(samples) * calm <= _at_most(max(DEGRADED_WHEN_WELL, usual + MORE_THAN_USUAL), calm)


def back_after(
    samples: Iterable[Sample],
    *,
    since: float,
    until: float,
    usual: float = 0.0,
    stalled: Stalled = lambda _start, _end: 0.0,
) -> float | None:
    """Seconds from `since` until full quality was back and stayed; None while it is not known to have.

    `until`: all that was sent before is among the samples. What ran out of time while the machine stood still is in no
    count; what did so while it ran ends no streak, but counts as degraded. While the machine stood still nobody could
    come back: that time is taken off.
    """
    counted = sorted(
        (one for one in samples if one.sent_at >= since and not (out_of_time(one) and one.stalled_ms > 0)),
        key=lambda one: one.sent_at,
    )
    for place, first in enumerate(counted):
        streak = [one for one in counted[place:] if one is first or not out_of_time(one)][:STREAK]
        if len(streak) < STREAK or not all(one.full_quality for one in streak):
            continue
        lasts_until = streak[-1].sent_at + LASTS_SECONDS
        lasting = [one for one in counted[place:] if one.sent_at <= lasts_until]
        unwell = sum(not one.full_quality for one in lasting)
        if lasts_until <= until and unwell <= _at_most(usual + MORE_THAN_USUAL, len(lasting)):
            return first.sent_at - since - stalled(since, first.sent_at)
    return None


def _at_most(share: float, count: int) -> int:
    """Rounded up to a whole one; not by what is lost in the last digits."""
    return math.ceil(round(share * count, 6))
