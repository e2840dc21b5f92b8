"""Two versions over the same samples: what got better, what got worse, and whether that can be chance.

Every sample has a loss under each version, lower is better, and a weight; a figure is the sum of losses ÷ the sum of
weights. Samples of one group, such as the forecasts of one product, are not independent: whole groups are resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from common.releases.bootstrap import SEED, Floats, resampled

Ints: TypeAlias = npt.NDArray[np.int64]

INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Pairs:
    """n samples that both versions answered; losses and weights in the same unit, all finite."""

    champion: Floats  # [n] loss
    candidate: Floats  # [n] loss
    weight: Floats  # [n], not negative
    group: Ints  # [n] samples of one number belong together

    def where(self, chosen: npt.NDArray[np.bool_]) -> Pairs:
        """The samples that are chosen [n]."""
        return Pairs(self.champion[chosen], self.candidate[chosen], self.weight[chosen], self.group[chosen])

    def change(self, *, least_weight: float = 0.0) -> Floats:
        """[n] by how much the loss grew ÷ the weight, or ÷ `least_weight` where that is more; 0 without either."""
        weight = np.maximum(self.weight, least_weight)
        return np.divide(self.candidate - self.champion, weight, out=np.zeros(len(weight)), where=weight > 0)

    @classmethod
    def together(cls, parts: Sequence[Pairs]) -> Pairs:
        """All of them; the same group in two parts is one group."""
        columns = [[getattr(part, name) for part in parts] for name in cls.__slots__]
        champion, candidate, weight, group = (np.concatenate(column) for column in columns)
        return cls(champion, candidate, weight, group)


@dataclass(frozen=True, slots=True)
class Difference:
    """Both figures, and candidate − champion with its 95 % interval and standard error; NaN without any weight."""

    samples: int
    groups: int
    champion: float
    candidate: float
    difference: float
    low: float
    high: float
    error: float


def compare(pairs: Pairs, *, seed: int = SEED) -> Difference:
    """The figures of these samples; the same samples and seed give the same interval."""
    sums = _by_group(pairs)
    [[champion, candidate]] = _figures(sums.sum(axis=0)[None])
    drawn = np.diff(_figures(resampled(sums, seed=seed)), axis=1)[:, 0]
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, INTERVAL) if drawn.size else (np.nan, np.nan)
    return Difference(
        samples=len(pairs.weight),
        groups=len(sums),
        champion=float(champion),
        candidate=float(candidate),
        difference=float(candidate - champion),
        low=float(low),
        high=float(high),
        error=float(drawn.std()) if drawn.size else float("nan"),
    )


def _by_group(pairs: Pairs) -> Floats:
    """Sums of champion, candidate and weight: [groups, 3]."""
    _, place = np.unique(pairs.group, return_inverse=True)
    columns = (pairs.champion, pairs.candidate, pairs.weight)
    return np.column_stack([np.bincount(place, weights=column) for column in columns])


def _figures(totals: Floats) -> Floats:
    """Loss ÷ weight of champion and candidate: [rows, 2]."""
    weight = totals[:, 2:]
    nothing = np.full((len(totals), 2), np.nan)
    return np.asarray(np.divide(totals[:, :2], weight, out=nothing, where=weight > 0))
