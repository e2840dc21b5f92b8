"""Does it grow? A robust slope over the second half of a run, held against what may be.

The slope is the median of the slopes between all pairs of samples (Theil 1950, Sen 1968): up to 29 % of the samples
may be anything without moving it far. It counts as growth only where the lower end of its 95 % interval (Sen 1968,
by Kendall's variance) is above zero, too. The first half is left out: caches fill, threads start, the allocator
reaches its high-water mark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

Z_95 = 1.96
FEWEST = 10  # samples in the second half; of fewer no slope is told
Points = Sequence[tuple[float, float]]  # requests answered so far, value


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a gauge may grow over a whole run: a share of its median, and always `room` of its unit."""

    unit: str
    share: float
    room: float
    why: str


# What `room` is for: a heap grows in steps (glibc's arenas 64 MiB of address space, of which some are touched), a
# connection pool and a thread pool fill to their bounds whenever two requests meet for the first time.
LIMITS: Mapping[str, Limit] = {
    "memory": Limit("MiB", 0.05, 8.0, "resident; a leak of 1 KiB a request is 35 MiB in 36,000"),
    "files": Limit("open", 0.10, 4.0, "descriptors; a leak of one in a thousand requests is 36"),
    "threads": Limit("", 0.10, 2.0, "without the readers; every pool is bounded"),
    "readers": Limit("", 0.10, 64.0, "Polars' threads, one for each small file of a log until they are joined"),
    "tasks": Limit("", 0.10, 3.0, "of the event loop, between requests"),
    "log ahead": Limit("MiB", 0.10, 4.0, "the database's write-ahead log, which checkpoints empty"),
}


@dataclass(frozen=True, slots=True)
class Trend:
    """One gauge of one process over the run."""

    process: str
    gauge: str
    points: Points
    level: float  # median of the second half
    growth: float  # over the whole run, by the slope of the second half; NaN of too few samples
    at_least: float  # the lower end of its interval
    allowed: float

    @property
    def grows(self) -> bool:
        """More than it may, and not by chance."""
        return self.growth > self.allowed and self.at_least > 0

    @property
    def sentence(self) -> str:
        """What is wrong with it, in words."""
        unit = LIMITS[self.gauge].unit
        return (
            f"{self.process}: {self.gauge} grows by {self.growth:.1f} {unit} over the run from {self.level:.1f}; "
            f"{self.allowed:.1f} are allowed"
        ).replace("  ", " ")


def trend(process: str, gauge: str, points: Points) -> Trend:
    """The verdict over one gauge, whose name is one of `LIMITS`."""
    last = points[-1][0] if points else 0.0
    later = [(requests, value) for requests, value in points if requests > last / 2]
    level = median([value for _, value in later]) if later else math.nan
    slope, low = theil_sen(later) if len(later) >= FEWEST else (math.nan, math.nan)
    limit = LIMITS[gauge]
    allowed = max(limit.share * level, limit.room) if later else limit.room
    return Trend(process, gauge, points, level, slope * last, low * last, allowed)


def theil_sen(points: Points) -> tuple[float, float]:
    """The median slope and the lower end of its 95 % interval; x must differ, and there must be two points."""
    slopes = sorted((b - a) / (y - x) for (x, a), (y, b) in combinations(points, 2))
    count = len(points)
    spread = Z_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lowest = max(0, math.floor((len(slopes) - spread) / 2))
    return median(slopes), slopes[lowest]
