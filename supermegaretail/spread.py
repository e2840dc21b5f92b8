"""How far the demand of a day may lie from its forecast: quantiles, learnt from errors on days the model had not seen.

A hurdle model in two parts, because most products of a shop sell nothing at all on most days (Mullahy 1986):

    P(nothing is sold) = 1 / (1 + exp(-features · zero))
    on a day with sales: demand = mean + scale · z        mean  = forecast ÷ P(something is sold)
                                                          scale = exp(features · scale), the usual distance from it

(A forecast that leans towards the median makes a lower "mean" of it, in learning as in serving: z makes up for that.)

The quantiles of z come from a table by scale ÷ mean, the shape of the distribution: a product that sells in hundreds
errs to both sides, one that sells in ones and twos only upwards. Of what is sold by the piece half a unit of noise
makes the numbers continuous before their quantiles are taken, which `demand.in_pieces` makes whole again in the end
(Machado and Santos Silva 2005): item by item, for one shop sells by the piece and by weight.

Quantiles cannot cross: for one row all of them are values of one function that never falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from common.versions.registry import Release
from supermegaretail.features import CORE_DESIGN, Floats
from supermegaretail.formulas import Flags

SPREAD_FILE = "spread.json"
LEVELS = (0.002, 0.01, 0.03, 0.07, *(step / 20 for step in range(3, 19, 2)), 0.94, 0.965, 0.98, 0.99, 0.995, 0.998)
FEATURES = 8
SHAPES = 10  # rows of the table
ROUNDS = 20  # of iteratively reweighted least squares; far fewer suffice
MOST_HALVED = 20  # times that a step is halved
LEAST_ROWS = 1_000  # of either kind: fewer tell nothing about the tails
MIDDLE_HALF = (0.25, 0.75)  # levels whose distance tells how sure a model is
LEAST_UNITS = 1e-6
VARIATION, IDLE, HORIZON = (CORE_DESIGN.index(name) for name in ("variation_28", "zero_share_56", "horizon"))


class Spread(BaseModel):
    """What was learnt about the errors of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    zero: tuple[float, ...]  # coefficients of the features, for the logarithm of the odds of a day without sales
    scale: tuple[float, ...]  # likewise, for the logarithm of the scale
    shapes: tuple[float, ...]  # [SHAPES] log(scale ÷ mean) at the rows of the table, rising
    levels: tuple[float, ...]  # of its columns, rising
    table: tuple[tuple[float, ...], ...]  # [SHAPES][levels] quantiles of z
    whole_units: bool = False  # whether all are whole: of releases that took a shop to sell all of it by the piece

    @classmethod
    def load(cls, release: Release) -> Spread | None:
        """That of a release; None for one from before there were any. Raises `ValueError` for a damaged one."""
        if SPREAD_FILE not in release.manifest.artifacts:
            return None
        return cls.model_validate_json(release.path(SPREAD_FILE).read_bytes())

    def as_json(self) -> bytes:
        return self.model_dump_json().encode()

    def quantiles(self, demand: Floats, design: Floats, levels: Sequence[float]) -> Floats:
        """Units [rows, levels] for forecasts [rows] and their rows of CORE_DESIGN; `levels` lie between 0 and 1."""
        features = _features(demand, design)
        zero = _chance(features, self.zero)[:, None]
        mean = np.maximum(demand, LEAST_UNITS)[:, None] / (1 - zero)
        scale = np.exp(features @ self.scale)[:, None]
        among_sales = (np.asarray(levels)[None, :] - zero) / (1 - zero)
        z = self._z(np.log(scale / mean), among_sales)
        units = np.maximum(mean + scale * z, 0)
        if self.whole_units:
            units = np.maximum(np.ceil(units - 0.5), 1)
        return np.where(among_sales > 0, units, 0)

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats, Floats]:
        return np.asarray(self.shapes), np.asarray(self.levels), np.asarray(self.table)

    def _z(self, shape: Floats, level: Floats) -> Floats:
        """Out of the table, between its rows and columns; [rows, levels] for `shape` [rows, 1]."""
        shapes, levels, table = self._arrays
        row, down = _between(shapes, shape)
        column, across = _between(levels, level)
        upper = (1 - across) * table[row, column] + across * table[row, column + 1]
        lower = (1 - across) * table[row + 1, column] + across * table[row + 1, column + 1]
        return np.asarray((1 - down) * upper + down * lower)

    @model_validator(mode="after")
    def _fits_together(self) -> Spread:
        if {len(row) for row in self.table} != {len(self.levels)} or len(self.table) != len(self.shapes):
            raise ValueError("the table has another shape than its shapes and levels")
        if not len(self.zero) == len(self.scale) == FEATURES:
            raise ValueError(f"zero and scale need {FEATURES} coefficients each")
        if min(map(len, (self.shapes, self.levels))) < 2 or not all(
            map(_rises, (self.levels, self.shapes, *self.table))
        ):
            raise ValueError("quantiles would cross")
        return self


def learn(demand: Floats, design: Floats, sold: Floats, by_the_piece: Flags, *, seed: int) -> Spread | None:
    """From forecasts [n] of days not seen in training, their rows of CORE_DESIGN and what was sold; None from too few.

    `by_the_piece` [n] tells of which items units are whole. The same input and seed give the same spread.
    """
    positive = sold > 0
    if positive.sum() < LEAST_ROWS:
        return None
    features = _features(demand, design)
    zero = _logistic(features, (~positive).astype(np.float64))
    features, units = features[positive], sold[positive]
    mean = np.maximum(demand[positive], LEAST_UNITS) / (1 - _chance(features, zero))
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, len(units))
    units = units + np.where(by_the_piece[positive], noise, 0)
    coefficients = _log_scale(features, np.abs(units - mean))
    scale = np.exp(features @ coefficients)
    order = np.array_split(np.argsort(scale / mean, kind="stable"), SHAPES)
    z = (units - mean) / scale
    return Spread(
        zero=tuple(zero.tolist()),
        scale=tuple(coefficients.tolist()),
        shapes=tuple(float(np.median(np.log(scale / mean)[rows])) for rows in order),
        levels=LEVELS,
        table=tuple(tuple(np.quantile(z[rows], LEVELS).tolist()) for rows in order),
    )


def _features(demand: Floats, design: Floats) -> Floats:
    """What the spread depends on, [rows, 8]: how much is forecast, how unsteady the product is, how far ahead."""
    units = np.log(np.maximum(demand, LEAST_UNITS))
    unsteady = np.log(_held(design[:, VARIATION], 0.05, 20))
    idle = design[:, IDLE]
    ahead = np.log(design[:, HORIZON])
    columns = (np.ones_like(units), units, units**2, unsteady, unsteady * units, idle, idle * units, ahead)
    return np.ascontiguousarray(np.array(columns).T)  # a quarter of the time of `column_stack`


def _chance(features: Floats, coefficients: Floats | Sequence[float]) -> Floats:
    odds = _held(features @ np.asarray(coefficients), -9, 9)
    return np.asarray(1 / (1 + np.exp(-odds)))


def _logistic(features: Floats, outcome: Floats) -> Floats:
    """Coefficients of a logistic regression with a little ridge, by Newton's method."""
    coefficients, ridge = np.zeros(features.shape[1]), np.eye(features.shape[1])
    for _ in range(ROUNDS):
        chance = _chance(features, coefficients)
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features + ridge
        slope = features.T @ (outcome - chance) - coefficients
        coefficients = coefficients + np.linalg.solve(curvature, slope)
    return coefficients


def _log_scale(features: Floats, distance: Floats) -> Floats:
    """Coefficients of log E[distance]: a gamma regression with a logarithmic link, by Fisher scoring.

    A step that makes it worse is halved: a few distances far above all others would throw it off for good.
    """
    distance = distance + 1e-3 * distance.mean()
    coefficients = np.linalg.lstsq(features, np.log(distance), rcond=None)[0]
    deviance = _gamma_deviance(features @ coefficients, distance)
    for _ in range(ROUNDS):
        step = np.linalg.lstsq(features, distance / np.exp(features @ coefficients) - 1, rcond=None)[0]
        for halved in range(MOST_HALVED):
            tried = coefficients + step / 2**halved
            tried_deviance = _gamma_deviance(features @ tried, distance)
            if tried_deviance < deviance:
                coefficients, deviance = tried, tried_deviance
                break
        else:  # no way is better any more
            break
    return np.asarray(coefficients)


@np.errstate(over="ignore")  # infinitely bad
def _gamma_deviance(log_expected: Floats, distance: Floats) -> float:
    """Half of it, but for what depends on `distance` alone (McCullagh and Nelder 1989)."""
    return float((log_expected + distance * np.exp(-log_expected)).mean())


def _between(grid: Floats, values: Floats) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.intp]], Floats]:
    """The place in a rising grid at or below each value, and how far it is to the next, 0 to 1; held at the ends."""
    place = np.minimum(np.maximum(np.searchsorted(grid, values) - 1, 0), len(grid) - 2)
    low = grid[place]
    return place, _held((values - low) / np.maximum(grid[place + 1] - low, 1e-12), 0, 1)


def _held(values: Floats, low: float, high: float) -> Floats:
    """`np.clip`, which takes five times as long for the few rows of one item."""
    return np.minimum(np.maximum(values, low), high)


def _rises(numbers: Sequence[float]) -> bool:
    return all(low <= high for low, high in pairwise(numbers))
