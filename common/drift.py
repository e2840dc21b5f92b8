"""How far numbers have moved away from those that a model learnt from: two distances, and a reference to measure from.

It needs numpy, which `common` alone does not: so it is imported by its own name, by who has numpy.

Two distances, because each is blind where the other sees. The population stability index sees a changed shape, however
small the step on the scale; the Wasserstein distance sees how far values went. An input has drifted when both say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

BINS = 10  # inside the range of the reference; below, above and unknown have one each
LEAST_SHARE = 1e-4  # of an empty bin, so that the logarithm stays finite
SKETCH_POINTS = 200  # quantiles that stand for the values of the reference
MAJOR_SHIFT_PSI = 0.25  # Siddiqi (2006): below 0.1 nothing, from 0.25 on a major shift
LEAST_WASSERSTEIN = 0.1  # of the reference's spread: a smaller step changes no decision
MARGIN = 2  # how much further than ever before is drift
SURE_Z = 4.0  # standard normal: 1 false alarm in 30,000 if rows were independent
FAR = 0.5  # of the width of the range that was seen: so far outside of it is strange
DIGITS = 7  # significant ones that are stored
DEVIATIONS = 2  # standard deviations that a spread has at least; hardly any feature with many values has less


def population_stability_index(reference: npt.ArrayLike, current: npt.ArrayLike, *, bins: int = BINS) -> float:
    """Σ (p-q)·ln(p/q) over quantile bins of the reference; 0 for the same shares, symmetric in p and q.

    Values that are not finite are unknown and have a bin of their own. N. Siddiqi, Credit Risk Scorecards (2006);
    B. Yurdakul, Statistical Properties of Population Stability Index (2018). Raises `ValueError` without any value.
    """
    expected, given = _column(reference), _column(current)
    edges = _edges(_known(expected), bins)
    return _index(_shares(expected, edges), _shares(given, edges), rows=min(len(expected), len(given)))


def wasserstein(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """∫ |F-G| between the empirical distributions, in units of the reference's spread.

    It is the Wasserstein-1, or earth mover's, distance. The spread reaches from the 5 % to the 95 % quantile, and is at
    least two standard deviations. Unknown values lie one spread away from all the known ones. Raises `ValueError`
    without any value.
    """
    expected, given = _column(reference), _column(current)
    unknown = float(np.mean(~np.isfinite(expected))), float(np.mean(~np.isfinite(given)))
    return _moved(_known(expected), _known(given), *unknown)


def sampling_limit(bins: int, *rows: int) -> float:
    """The index that samples of these sizes from one distribution hardly exceed: Yurdakul's (1/n + 1/m)·χ² quantile.

    The quantile is Wilson and Hilferty's (1931) approximation.
    """
    freedom = max(bins - 1, 1)
    chi_squared = freedom * (1 - 2 / (9 * freedom) + SURE_Z * np.sqrt(2 / (9 * freedom))) ** 3
    return float(sum(1 / max(count, 1) for count in rows) * chi_squared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far one feature is from its reference; both distances beyond their limits: it has drifted."""

    feature: str
    psi: float
    psi_limit: float
    wasserstein: float
    wasserstein_limit: float

    @property
    def drifted(self) -> bool:
        return self.psi > self.psi_limit and self.wasserstein > self.wasserstein_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What one feature was like: shares by bin, a sketch of its values, its range, and how far it strayed before."""

    name: str
    edges: Floats  # ascending; with the open ends and the unknown there are len(edges) + 2 bins
    shares: Floats
    sketch: Floats  # [SKETCH_POINTS] quantiles; empty if no value was ever known
    low: float
    high: float
    psi_limit: float = MAJOR_SHIFT_PSI
    wasserstein_limit: float = LEAST_WASSERSTEIN

    @classmethod
    def of(cls, name: str, column: Floats) -> Feature:
        known = _known(column)
        edges = _edges(known, BINS)
        points = (np.arange(SKETCH_POINTS) + 0.5) / SKETCH_POINTS
        sketch = _rounded(np.quantile(known, points)) if known.size else known
        low, high = (float(known.min()), float(known.max())) if known.size else (-np.inf, np.inf)
        return cls(name=name, edges=edges, shares=_rounded(_shares(column, edges)), sketch=sketch, low=low, high=high)

    def distance(self, column: Floats, *, rows: int) -> Distance:
        """How far `column` is; `rows` is the size of the reference."""
        moved = _moved(self.sketch, _known(column), float(self.shares[-1]), float(np.mean(~np.isfinite(column))))
        by_chance = sampling_limit(len(self.shares), rows, len(column))
        return Distance(
            feature=self.name,
            psi=_index(self.shares, _shares(column, self.edges), rows=min(rows, len(column))),
            psi_limit=max(self.psi_limit, by_chance),
            wasserstein=moved,
            wasserstein_limit=self.wasserstein_limit,
        )

    def used_to(self, past: Sequence[Distance]) -> Feature:
        """With limits `MARGIN` times beyond the furthest that it ever was in the past."""
        psi = max((MARGIN * one.psi for one in past), default=0)
        wasserstein = max((MARGIN * one.wasserstein for one in past), default=0)
        return replace(
            self,
            psi_limit=_significant(max(MAJOR_SHIFT_PSI, psi)),
            wasserstein_limit=_significant(max(LEAST_WASSERSTEIN, wasserstein)),
        )

    def seen(self, column: Floats) -> Feature:
        """With a range that holds these values, too."""
        known = _known(column)
        if not known.size:
            return self
        low, high = (self.low, self.high) if self.sketch.size else (np.inf, -np.inf)
        return replace(self, low=min(low, float(known.min())), high=max(high, float(known.max())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Features as they were in training, small enough to be stored beside the model: about 5 kB each."""

    rows: int
    features: tuple[Feature, ...]

    @classmethod
    def of(cls, past: Sequence[Floats], names: Sequence[str]) -> Reference:
        """From what was known on some past days, newest first: a matrix [rows, features] of each.

        The limits come from how far each of these days was from all of them together, and each of the newer half from
        the older half: what seasons and slow change did before is no drift. Raises `ValueError` when there is no row.
        """
        matrix = np.concatenate(past) if past else np.empty((0, len(names)))
        if not len(matrix) or matrix.shape[1] != len(names):
            raise ValueError(f"rows of {len(names)} features are needed, not {matrix.shape}")
        columns = ([day[:, place] for day in past if len(day)] for place in range(len(names)))
        features = (_with_limits(name, days) for name, days in zip(names, columns, strict=True))
        return cls(rows=len(matrix), features=tuple(features))

    def seen(self, matrix: Floats) -> Reference:
        """With ranges that hold this [rows, features], too."""
        widened = (feature.seen(matrix[:, place]) for place, feature in enumerate(self.features))
        return replace(self, features=tuple(widened))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    def distances(self, matrix: Floats) -> tuple[Distance, ...]:
        """Of each column of `matrix` [rows, features], of at least one row."""
        return tuple(feature.distance(matrix[:, place], rows=self.rows) for place, feature in enumerate(self.features))

    def bounds(self) -> tuple[Floats, Floats]:
        """What a single row may hold, each [features]: the range seen, and `FAR` of its width on either side."""
        low = np.array([feature.low for feature in self.features])
        high = np.array([feature.high for feature in self.features])
        with np.errstate(invalid="ignore"):  # infinite where no value was ever known
            width = high - low
        size = np.maximum(np.abs(low), np.abs(high))
        width = np.where(width > 0, width, np.where(size > 0, size, 1))
        return low - FAR * width, high + FAR * width

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`, which `from_json` reads again."""
        return {"rows": self.rows, "features": [_as_json(feature) for feature in self.features]}

    @classmethod
    def from_json(cls, document: Any) -> Reference:
        """Raises `ValueError` for anything that `as_json` did not make."""
        try:
            features = tuple(_from_json(one) for one in document["features"])
            return cls(rows=int(document["rows"]), features=features)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no reference for drift: {type(error).__name__} {error}") from error


def _with_limits(name: str, days: Sequence[Floats]) -> Feature:
    feature = Feature.of(name, np.concatenate(days))
    distances = [feature.distance(day, rows=sum(map(len, days))) for day in days]
    newer, older = days[: len(days) // 2], days[len(days) // 2 :]
    before = Feature.of(name, np.concatenate(older))
    distances += [before.distance(day, rows=sum(map(len, older))) for day in newer]
    return feature.used_to(distances)


def _as_json(feature: Feature) -> dict[str, Any]:
    ranged = {"low": feature.low, "high": feature.high} if np.isfinite(feature.low + feature.high) else {}
    return {
        "name": feature.name,
        "edges": feature.edges.tolist(),
        "shares": feature.shares.tolist(),
        "sketch": feature.sketch.tolist(),
        "psi_limit": feature.psi_limit,
        "wasserstein_limit": feature.wasserstein_limit,
        **ranged,
    }


def _from_json(document: Any) -> Feature:
    edges, shares, sketch = (np.asarray(document[name], np.float64) for name in ("edges", "shares", "sketch"))
    if len(shares) != len(edges) + 2:
        raise ValueError(f"{len(edges)} edges make {len(edges) + 2} bins, not {len(shares)}")
    return Feature(
        name=str(document["name"]),
        edges=edges,
        shares=shares,
        sketch=sketch,
        low=float(document.get("low", -np.inf)),
        high=float(document.get("high", np.inf)),
        psi_limit=float(document["psi_limit"]),
        wasserstein_limit=float(document["wasserstein_limit"]),
    )


def _column(values: npt.ArrayLike) -> Floats:
    column = np.asarray(values, np.float64).ravel()
    if not column.size:
        raise ValueError("there is nothing to compare")
    return column


def _known(column: Floats) -> Floats:
    known: Floats = column[np.isfinite(column)]
    return known


def _edges(known: Floats, bins: int) -> Floats:
    """Upper ends of bins that hold about the same number of values each; the first one ends just below all of them."""
    if not known.size:
        return known
    inner = np.quantile(known, np.arange(1, bins + 1) / bins, method="inverted_cdf")
    return np.unique(np.append(inner, np.nextafter(known.min(), -np.inf)))


def _shares(column: Floats, edges: Floats) -> Floats:
    """Share of the rows in each bin, [len(edges) + 2]: below, …, above, unknown."""
    known = _known(column)
    counts = np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 2)
    counts[-1] = len(column) - len(known)
    return counts / len(column)


def _index(expected: Floats, given: Floats, *, rows: int) -> float:
    least = max(LEAST_SHARE, 0.5 / rows)  # a bin that is empty by chance is not a bin that is gone
    p, q = np.maximum(expected, least), np.maximum(given, least)
    return float(np.sum((p - q) * np.log(p / q)))


def _moved(expected: Floats, given: Floats, unknown_expected: float, unknown_given: float) -> float:
    became_unknown = abs(unknown_expected - unknown_given)
    if not expected.size or not given.size:
        return became_unknown
    first, second = np.sort(expected), np.sort(given)
    points = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(values, points[:-1], side="right") / len(values) for values in (first, second)]
    apart = float(np.sum(np.abs(below[0] - below[1]) * np.diff(points)))
    return (1 - max(unknown_expected, unknown_given)) * apart / _spread(first) + became_unknown


def _spread(known: Floats) -> float:
    """A width to measure by: of the middle 90 %, at least some standard deviations; of one value its size, else 1.

    The middle 90 % alone shrink to nothing when all but a few values are equal, and leap with one more of those.
    """
    width = known.max() - known.min()
    if not width:
        return float(abs(known[0]) or 1)
    low, high = np.quantile(known, (0.05, 0.95))
    return float(max(high - low, DEVIATIONS * np.std(known)) or width)  # squares of tiny numbers are 0


def _rounded(values: Floats) -> Floats:
    return np.array([_significant(value) for value in values.tolist()])


def _significant(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
