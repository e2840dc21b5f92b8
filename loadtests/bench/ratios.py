"""From timings to statements: each client next to bare httpx of the same round, as machines change by the minute."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.bench.timing import Round

Figure = Literal["p50_ms", "cpu_us"]
FIGURES: tuple[Figure, ...] = ("p50_ms", "cpu_us")


@dataclass(frozen=True, slots=True)
class Target:
    """Our client may cost at most this share of bare httpx."""

    load: str
    figure: Figure
    at_most: float


TARGETS = (
    Target("c=1", "p50_ms", 0.60),
    Target("c=1", "cpu_us", 0.60),
    Target("c=32", "p50_ms", 0.30),
    Target("c=32", "cpu_us", 0.15),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one client over all rounds: itself, and its ratio to the base of the same round with quartiles."""

    absolute: float  # the median, in the figure's unit
    ratio: float
    lower: float
    upper: float


def compare(rounds: Sequence[Round], client: str, *, base: str, load: str, figure: Figure) -> Comparison:
    """Median and quartiles over the rounds."""
    own = [float(getattr(played[client, load], figure)) for played in rounds]
    others = [float(getattr(played[base, load], figure)) for played in rounds]
    ratios = [mine / its for mine, its in zip(own, others, strict=True)]
    lower, middle, upper = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Comparison(statistics.median(own), middle, lower, upper)


def misses(rounds: Sequence[Round], client: str, *, base: str, targets: Sequence[Target] = TARGETS) -> list[str]:
    """A sentence for every target that the client is over."""
    over = []
    for target in targets:
        found = compare(rounds, client, base=base, load=target.load, figure=target.figure)
        if found.ratio > target.at_most:
            over.append(
                f"{client} at {target.load}: {target.figure} is {found.ratio:.2f} of {base}, over {target.at_most:.2f}"
            )
    return over
