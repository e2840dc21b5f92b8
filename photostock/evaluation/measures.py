"""Figures from ranks: how far down the photo that was meant was found, for every question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.gains import gain_10

DEEPEST = 50  # how far down it is looked for; this rank means: not found
RESAMPLES = 1_000
BLOCK = 50  # resamples at a time, so that memory stays small

Ranks: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its bootstrap 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over questions; recalls are shares of questions whose photo is among the first so many."""

    recall_1: float
    recall_10: float
    recall_50: float
    mrr_10: float
    ndcg_10: Interval

    @classmethod
    def of(cls, ranks: Ranks, *, seed: int) -> Quality:
        """From ranks [questions], 0 is the first place."""
        near = ranks < 10
        return cls(
            recall_1=float(np.mean(ranks < 1)),
            recall_10=float(np.mean(near)),
            recall_50=float(np.mean(ranks < DEEPEST)),
            mrr_10=float(np.mean(near / (ranks + 1))),
            ndcg_10=mean(gain_10(ranks), seed=seed),
        )


def mean(values: Floats, *, seed: int) -> Interval:
    """The mean over questions; the interval tells how much other questions like these could change it."""
    return _interval(float(values.mean()), _resampled(values[:, None], seed)[:, 0])


def ratio(values: Floats, base: Floats, *, seed: int) -> Interval:
    """Mean of `values` ÷ mean of `base`, over the same questions, which are resampled together; NaN for a base of 0."""
    if base.mean() == 0:
        return Interval(np.nan, np.nan, np.nan)
    means = _resampled(np.column_stack([values, base]), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _interval(float(values.mean() / base.mean()), means[:, 0] / means[:, 1])


def _resampled(columns: Floats, seed: int) -> Floats:
    """Means of each column in resamples of the rows: [RESAMPLES, columns]."""
    dice, rows = np.random.default_rng(seed), len(columns)
    blocks = [columns[dice.integers(rows, size=(BLOCK, rows))].mean(axis=1) for _ in range(RESAMPLES // BLOCK)]
    return np.concatenate(blocks)


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Interval(value, float(low), float(high))
