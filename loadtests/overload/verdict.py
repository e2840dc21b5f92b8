"""What overload may cost, and whether it did: pure functions over what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.overload.generator import Told

KEPT_SHARE = 0.9  # of the best goodput, at every load from once on
REFUSED_WITHIN_MS = 50.0
FEWEST = 50  # answers; a percentile of fewer proves nothing


@dataclass(frozen=True, slots=True)
class Curve:
    """One application: what one core can do, and what came of so many times that."""

    name: str
    capacity: float  # good answers per second, with as many callers as it likes
    levels: Mapping[float, Told]

    @property
    def best(self) -> float:
        return max(self.capacity, *(told.goodput for told in self.levels.values()))


def broken(curve: Curve, *, budget_ms: float) -> list[str]:
    """A sentence for each promise that did not hold."""
    return [
        f"at {times:g} times: {what}"
        for times, told in curve.levels.items()
        for what in _broken(curve, told, budget_ms)
    ]


def _broken(curve: Curve, told: Told, budget_ms: float) -> list[str]:
    sentences = []
    if curve.best and told.offered >= curve.best and told.goodput < KEPT_SHARE * curve.best:
        sentences.append(f"goodput is {told.goodput / curve.best:.0%} of its best")
    for name, times_ms, limit_ms in (
        ("accepted", told.accepted_ms, budget_ms),
        ("refused", told.refused_ms, REFUSED_WITHIN_MS),
    ):
        p99_ms = told.percentile(times_ms, 99)
        if len(times_ms) >= FEWEST and p99_ms > limit_ms:
            sentences.append(f"p99 of the {name} is {p99_ms:.0f} ms, more than {limit_ms:.0f}")
    if told.silent:
        sentences.append(f"{told.silent} requests without an answer")
    sentences += [f"{count} x {problem}" for problem, count in told.problems.most_common(3)]
    return sentences


def rows(curve: Curve) -> Sequence[Sequence[str]]:
    """A row of cells per level."""
    return [
        (
            f"{times:g}",
            f"{told.offered:.0f}",
            f"{told.goodput:.0f}",
            f"{told.goodput / curve.best:.0%}" if curve.best else "–",
            f"{told.degraded / told.good:.0%}" if told.good else "–",
            f"{told.percentile(told.accepted_ms, 50):.0f}",
            f"{told.percentile(told.accepted_ms, 99):.0f}",
            f"{len(told.refused_ms) / told.seconds:.0f}",
            f"{told.percentile(told.refused_ms, 99):.1f}",
            f"{told.unsent / told.seconds:.0f}",
            f"{told.silent}",
            f"{told.cpu_s / told.seconds:.0%}",
        )
        for times, told in curve.levels.items()
    ]


HEADS = (
    "times",
    "due/s",
    "good/s",
    "of its best",
    "degraded",
    "accepted p50 ms",
    "p99 ms",
    "refused/s",
    "refused p99 ms",
    "not sent/s",
    "no answer",
    "core",
)
