"""How likely a place is looked at: what stands first is clicked first, however good it is (position bias).

The position-based model: P(click) = attraction of this photo for this query × propensity of the place. Only a photo
that one query showed at two places tells the two apart, so nothing else is learned from: attractions and propensities
are fitted in turn (maximum likelihood of Poisson counts), with 1 / place as the prior where there is little to see.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.feedback.showings import Counts

Floats: TypeAlias = npt.NDArray[np.float64]

PLACES = 50  # further down counts as the last of them
PRIOR_CLICKS = 10.0  # that the prior is worth, per place
ROUNDS = 500
CLOSE_ENOUGH = 1e-6


class Propensities(NamedTuple):
    """`values[k - 1]` belongs to place k and is relative to the first, which has 1."""

    values: Floats  # [PLACES]
    moved: int  # pairs of query and photo that stood at more than one place
    clicks: Floats  # [PLACES] of those pairs: what is learned from

    def at(self, position: npt.NDArray[np.int64]) -> Floats:
        return self.values[_place(position)]


def prior() -> Floats:
    """Inverse to the place: what is believed before anything was seen."""
    return 1 / np.arange(1, PLACES + 1, dtype=np.float64)


def estimate(counts: Counts) -> Propensities:
    """From all photos that stood at different places for one query; without any it is the prior."""
    place, pair = _place(counts.position), counts.pair
    places_of = np.bincount(np.unique(pair * PLACES + place) // PLACES, minlength=len(counts.pairs))
    clicks_of = np.bincount(pair, counts.clicked, minlength=len(counts.pairs))
    telling = ((places_of > 1) & (clicks_of > 0))[pair] if len(pair) else np.zeros(0, dtype=np.bool_)
    values = prior()
    if not telling.any():
        return Propensities(values, 0, np.zeros(PLACES))
    place, pair = place[telling], np.unique(pair[telling], return_inverse=True)[1]
    shown, clicked = counts.shown[telling].astype(np.float64), counts.clicked[telling].astype(np.float64)
    clicks: Floats = np.bincount(place, clicked, minlength=PLACES).astype(np.float64)
    clicks_of = np.bincount(pair, clicked)
    for _ in range(ROUNDS):
        attraction = clicks_of / np.bincount(pair, shown * values[place])
        expected = np.bincount(place, shown * attraction[pair], minlength=PLACES)  # clicks, were all places looked at
        fitted = (clicks + PRIOR_CLICKS) / (expected + PRIOR_CLICKS / prior())
        fitted /= fitted[0]
        change = float(np.abs(fitted - values).max())
        values = fitted
        if change < CLOSE_ENOUGH:
            break
    return Propensities(values, int(pair.max()) + 1, clicks)


def _place(position: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.minimum(position, PLACES) - 1
