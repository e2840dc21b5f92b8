"""What came of a run: trends, and a sentence for everything that is not as promised."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loadtests.soak.drive import Soak, by_gauge
from loadtests.soak.gauges import STATE, Reading
from loadtests.soak.judge import Trend, trend

REFUSED_SHARE = 0.01  # eight callers who wait are no overload
MOST_PROBLEMS = 8
OF_EACH_PROCESS = ("memory", "files", "threads", "readers", "tasks")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`broken` is empty where nothing grew, every answer was right and nothing acknowledged is gone."""

    readings: Sequence[Reading]
    trends: Sequence[Trend]
    broken: Sequence[str]
    told: str

    @property
    def stretches(self) -> list[tuple[str, int, int]]:
        """(fault, from, until) in requests."""
        found: list[tuple[str, int, int]] = []
        for before, after in zip(self.readings, self.readings[1:], strict=False):
            if after.fault is None:
                continue
            if found and found[-1][0] == after.fault and found[-1][2] == before.requests:
                found[-1] = (after.fault, found[-1][1], after.requests)
            else:
                found.append((after.fault, before.requests, after.requests))
        return found


def outcome_of(soak: Soak, lost: Sequence[str]) -> Outcome:
    """The verdict over a run; `lost` are sentences about what was acknowledged and is gone, or about dead processes."""
    gauges = by_gauge(soak.readings)
    trends = [trend(process, gauge, points) for (process, gauge), points in sorted(gauges.items())]
    answered, wrong = sum(soak.answered.values()), sum(soak.problems.values())
    broken = [one.sentence for one in trends if one.grows]
    if any(math.isnan(one.growth) for one in trends):
        broken.append("too few samples to tell whether anything grows")
    broken += unread(gauges)
    broken += [f"{count} × {what}" for what, count in soak.problems.most_common(MOST_PROBLEMS)]
    if (refused := sum(soak.refused.values())) > REFUSED_SHARE * answered:
        broken += [f"{count} × {what}" for what, count in soak.refused.most_common(MOST_PROBLEMS)]
    seconds = soak.readings[-1].seconds if soak.readings else math.nan
    told = (
        f"{answered:,} requests in {seconds:,.0f} s, {answered / seconds:.0f} a second: {wrong} missing or malformed, "
        f"{soak.degraded:,} degraded, {refused} refused, {len(lost)} acknowledged writes lost."
    )
    return Outcome(soak.readings, trends, [*broken, *lost], told)


def unread(gauges: Collection[tuple[str, str]]) -> list[str]:
    """A sentence for each gauge of a process that was never read: nobody knows whether it grew."""
    processes = dict.fromkeys(process for process, _ in gauges if process != STATE)
    return [
        f"{process}: {gauge} could not be read"
        for process in processes
        for gauge in OF_EACH_PROCESS
        if (process, gauge) not in gauges
    ]
