"""Demand as a tier tells it, and what is checked of a model's words before they are believed: all items at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from common.chain.tiers import Refused
from common.outcome import Reason
from supermegaretail.events.planned import Planning
from supermegaretail.features import Floats
from supermegaretail.model_contract import QUANTILE_DECIMALS, Prediction
from supermegaretail.overriding import Shape
from supermegaretail.states import Flags

TYPICAL = 0.75  # levels up to there
TAIL = 10.0  # times what is plausible as a mean
WIDEST = 4.0  # times the recent level, at least of one unit a day: a middle half as wide as that helps nobody to order
MEANINGLESS = Refused(Reason.MEANING)
IMPLAUSIBLE = Refused(Reason.OUT_OF_RANGE)
UNSURE = Refused(Reason.UNCERTAIN, blameless=True)  # about this item


@dataclass(frozen=True, slots=True)
class Demand:
    """One item's demand, units per day, shape [horizon]."""

    per_day: Floats
    override_id: str | None = None
    quantiles: Floats | None = None  # [levels, horizon], in the order of the levels asked for
    shape: Shape | None = None  # what people made of it
    before: Floats | None = None  # per day, before they did; None where nobody else was asked
    planned: Planning | None = None  # what planners' events had to do with it

    def shaped(self, shape: Shape) -> Demand:
        """What people's decisions make of a tier's answer."""
        quantiles = None if self.quantiles is None else shape.of(self.quantiles)
        return Demand(shape.of(self.per_day), shape.id, quantiles, shape, self.per_day, self.planned)


def demands_of(
    predictions: Sequence[Prediction],
    model: Literal["core", "correction"],
    levels: Sequence[float],
    *,
    horizon_days: int,
    most: Floats,
    level: Floats,
    by_the_piece: Flags,
) -> list[Demand | Refused]:
    """What one model says of n items, with quantiles at `levels`; refused where it is nothing, nonsense, or a guess.

    `most` [n] is the units a day that no plausible answer exceeds, `level` [n] the units a day of late; `by_the_piece`
    [n] tells which quantiles are whole.
    """
    if model == "core":
        told = [(one.core, one.core_width, one.core_quantiles) for one in predictions]
    else:
        told = [(one.correction, one.correction_width, one.correction_quantiles) for one in predictions]
    silence = [math.nan] * horizon_days
    days = np.array([silence if per_day is None else per_day for per_day, _, _ in told], np.float64)
    days = days.reshape(len(told), horizon_days)
    width = np.array([width for _, width, _ in told], np.float64)  # NaN for None
    within: Flags = (days >= 0) & (days <= most[:, None])  # no shop sells negative demand, either
    plausible = np.asarray(within.all(1)).tolist()
    unsure = (~np.isnan(width) & too_uncertain(width, level, limit=WIDEST)).tolist()
    by_levels = [by_level for _, _, by_level in told] if levels else [None] * len(told)
    quantiles, sane, likely = _quantiles(by_levels, levels, days, most, by_the_piece)
    return [
        MEANINGLESS
        if per_day is None or not makes_sense or (width is not None and width < 0)
        else IMPLAUSIBLE
        if not possible
        else UNSURE
        if guess
        else Demand(row, quantiles=by_level)
        if belongs
        else MEANINGLESS
        for (per_day, width, _), row, by_level, makes_sense, belongs, possible, guess in zip(
            told, days, quantiles, sane, likely, plausible, unsure, strict=True
        )
    ]


def too_uncertain(width: Floats, level: Floats, *, limit: float) -> Flags:
    """Whether the middle half of each forecast [n] is on average wider than `limit` times the recent level.

    Both are in units per day; below one unit a day the level counts as one, for nothing is at stake there.
    """
    return np.asarray(~(width <= limit * np.maximum(level, 1.0)))  # a width that is no number is not sure either


def in_pieces(quantiles: Floats, by_the_piece: Flags) -> Floats:
    """Quantiles [n, …], whole ones of the items that are sold `by_the_piece` [n]: what sells at all sells one.

    As the models' spread has it: there, whole units have half a unit of noise.
    """
    units = np.round(quantiles, QUANTILE_DECIMALS)
    whole = np.where(units > 0, np.maximum(np.ceil(units - 0.5), 1), units)
    return np.where(by_the_piece.reshape(-1, *[1] * (quantiles.ndim - 1)), whole, quantiles)


def ordered(quantiles: Floats, levels: Sequence[float]) -> Flags:
    """Whether quantiles [n, levels, days] are not negative and rise with their level [n]."""
    rising = quantiles[:, np.argsort(levels, kind="stable")]
    return np.asarray((rising[:, 0] >= 0).all(1) & (rising[:, 1:] >= rising[:, :-1]).all((1, 2)))


def credible(quantiles: Floats, levels: Sequence[float], mean: Floats, most: Floats) -> Flags:
    """Whether quantiles [n, levels, days] can be those of demand with this `mean` [n, days], at most `most` [n]; [n].

    By Markov's inequality none exceeds mean ÷ (1 - level), which is asked of typical days alone (a product that hardly
    sells may well come back); and the mean can't be above level · quantile + (1 - level) · most. The former may be off
    by a factor of two and by a unit: means lean towards medians, and quantiles are whole. A tail may be ten times as
    far as a mean. All 373,000 forecasts of a model for M5 and FreshRetailNet passed.
    """
    level, means, mosts = np.asarray(levels)[:, None], mean[:, None], most[:, None, None]
    not_above = (level > TYPICAL) | ((quantiles - 1) * (1 - level) / 2 <= means)
    not_below = means <= level * quantiles + (1 - level) * mosts + 1
    return np.asarray((not_above & not_below & (quantiles / TAIL <= mosts)).all((1, 2)))


def _quantiles(
    told: Sequence[list[list[float]] | None],
    levels: Sequence[float],
    days: Floats,
    most: Floats,
    by_the_piece: Flags,
) -> tuple[list[Floats | None], list[bool], list[bool]]:
    """Quantiles [levels, horizon] of each item, whether they are ones, and whether they are credible.

    Those that nobody told are both.
    """
    found: list[Floats | None] = [None] * len(told)
    shape = [days.shape[1]] * len(levels)
    sane = [one is None or [len(per_day) for per_day in one] == shape for one in told]
    likely = [True] * len(told)
    rows = [row for row, one in enumerate(told) if one is not None and sane[row]]
    if rows:
        values = np.array([told[row] for row in rows], np.float64)
        fine, belong = ordered(values, levels), credible(values, levels, days[rows], most[rows])
        values[~belong] = 0  # they are refused, and what is as large as that can't be rounded
        pieces = in_pieces(values, by_the_piece[rows])
        for row, *judged in zip(rows, pieces, fine.tolist(), belong.tolist(), strict=True):
            found[row], sane[row], likely[row] = judged
    return found, sane, likely
