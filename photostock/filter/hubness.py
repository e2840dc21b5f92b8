"""Some photos are near to every search. What they have for all of them says nothing of one, and is taken off.

    hubness(p) = ln(mean over k of exp(20 c_k · p)) / 20 - usual

c_k are the centres of kinds of searches, learnt from the catalogue's own (see `query_map_training`). Such photos are
known as hubs (Radovanović et al., 2010, JMLR 11); to weigh a candidate against a bank of other queries is from
Bogolin et al., "Cross Modal Retrieval with Querybank Normalisation" (CVPR 2022). Centres in place of single queries
do nearly as well, take a fraction of the time, and are nobody's searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.versions.registry import ArtifactError, Release
from photostock.filter.arrays import read_npy
from photostock.index.code_space import Codes, CodeSpace
from photostock.index.encoder import Vectors
from photostock.index.vectors import VectorIndex
from photostock.ranking import Rows
from photostock.text_model import number

SEARCH_KINDS = "search_kinds.npy"  # the artifact
MOST_KINDS = 1_024  # a bound on what a release may cost every search
SHARPNESS = 20.0  # near the temperature that such encoders are trained with
USUAL = "usual_hubness"  # the parameter


@dataclass(frozen=True, eq=False)
class Hubness:
    """For the vectors of one version of an encoder.

    Args:
        kinds: float32 [kinds, dimensions], each of length 1.
        usual: mean hubness of the photos that it was learnt from, so that a common photo has none.
    """

    kinds: Vectors
    usual: float = 0.0

    def __post_init__(self) -> None:
        kinds = self.kinds
        if kinds.dtype != np.float32 or kinds.ndim != 2 or not 1 <= len(kinds) <= MOST_KINDS:
            raise ArtifactError(f"kinds of searches are some float32 vectors, not {kinds.dtype} {list(kinds.shape)}")
        if not (np.abs(np.linalg.norm(kinds, axis=1) - 1) < 1e-3).all():  # also refuses NaN
            raise ArtifactError("kinds of searches are vectors of length 1")
        if not -1 <= self.usual <= 1:
            raise ArtifactError(f"{USUAL} is {self.usual}, not within -1 to 1")

    @property
    def dimensions(self) -> int:
        dimensions: int = self.kinds.shape[1]
        return dimensions

    def of(self, photos: Vectors) -> Vectors:
        """Of photos with these unit-length vectors: float32 [photos]."""
        return self._from(photos @ self.kinds.T)

    def of_rows(self, index: VectorIndex, rows: Rows) -> Vectors:
        """Of photos in an index, each from its own code alone: float32 [rows], 0 for one that is gone."""
        return np.nan_to_num(self._from(index.cosines_with(self._codes, rows)))

    def _from(self, cosines: Vectors) -> Vectors:
        hubness: Vectors = np.log(np.exp(SHARPNESS * cosines).mean(axis=1)) / SHARPNESS - np.float32(self.usual)
        return hubness

    @cached_property
    def _codes(self) -> Codes:
        return CodeSpace(self.dimensions).encode(self.kinds)

    @classmethod
    def load(cls, release: Release) -> Hubness | None:
        """That of a release of the filter; None if it has none."""
        kinds = read_npy(release, SEARCH_KINDS)
        return None if kinds is None else cls(kinds, usual=number(release.manifest.parameters, USUAL))
