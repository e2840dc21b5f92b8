"""Searchers and authors say the same in other words: a linear map moves a query's vector to where its photos are.

    q' = (q + M q) / |q + M q|

M is learnt from searches with a known answer (see `query_map_training`). Only queries are moved: the index, its vectors
and the encoder stay what they are, so a new map needs no new index, and to leave it out is to search as before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.versions.registry import ArtifactError, Release
from photostock.filter.arrays import read_npy
from photostock.index.encoder import Vectors

QUERY_MAP = "query_map.npy"  # the artifact
LARGEST = 10.0  # of any number in M; those that were learnt are below 1


@dataclass(frozen=True, slots=True, eq=False)
class QueryMap:
    """M, float32 [dimensions, dimensions], for the vectors of one version of an encoder."""

    matrix: Vectors

    def __post_init__(self) -> None:
        matrix = self.matrix
        if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ArtifactError(f"a query map is float32 and square, not {matrix.dtype} {list(matrix.shape)}")
        if not np.abs(matrix).max(initial=0.0) <= LARGEST:  # also true for NaN
            raise ArtifactError(f"a query map has no numbers beyond {LARGEST}, and this one has")

    @property
    def dimensions(self) -> int:
        return len(self.matrix)

    def of(self, vectors: Vectors) -> Vectors:
        """Unit-length vectors of queries, moved: float32 [..., dimensions], again of length 1."""
        moved = vectors + vectors @ self.matrix.T
        length = np.linalg.norm(moved, axis=-1, keepdims=True)
        unit: Vectors = np.where(length > 1e-6, moved / np.maximum(length, 1e-6), vectors)
        return unit

    @classmethod
    def load(cls, release: Release) -> QueryMap | None:
        """That of a release of the filter; None if it moves no queries."""
        matrix = read_npy(release, QUERY_MAP)
        return None if matrix is None else cls(matrix)
