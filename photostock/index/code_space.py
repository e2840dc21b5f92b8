"""Unit vectors as 8-bit codes, by a rule that is known beforehand: nothing is trained, so nothing can outgrow it.

A fixed rotation spreads every unit vector evenly over its dimensions, whatever the encoder: each component is then
about normal with deviation 1/√dimensions, and one range fits all vectors, also those that are added in years.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import faiss
import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
Codes: TypeAlias = npt.NDArray[np.uint8]

DEVIATIONS = 4.5  # that the range reaches: 7 of a million components lie beyond, and are cut off there
STEPS = 127  # of a code in each direction
ZERO = 128  # the code of 0
ROTATION_SEED = 384  # any number, for ever the same
BLOCK_ROWS = 4096  # that are rotated at a time, which bounds the memory for it


class CodeSpace:
    """Codes of vectors with so many dimensions; safe for many threads."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._largest = min(1.0, DEVIATIONS / dimensions**0.5)

    def encode(self, vectors: Vectors) -> Codes:
        """uint8 [rows, dimensions] of float32 [rows, dimensions]; a row's code depends on that row alone.

        In double precision: single precision rounds differently from one batch size to another, and codes would, too.
        """
        codes = np.empty(vectors.shape, dtype=np.uint8)
        for start in range(0, len(vectors), BLOCK_ROWS):
            rotated = vectors[start : start + BLOCK_ROWS].astype(np.float64) @ self._rotation
            steps = np.rint(rotated * (STEPS / self._largest)).clip(-STEPS, STEPS)
            codes[start : start + BLOCK_ROWS] = steps + ZERO
        return codes

    def decode(self, codes: Codes) -> Vectors:
        """About the vectors float32 [rows, dimensions] that were encoded, of unit length."""
        rotated = self.values_of(codes).astype(np.float64) @ self._rotation.T
        vectors: Vectors = (rotated / np.linalg.norm(rotated, axis=1, keepdims=True)).astype(np.float32)
        return vectors

    def query(self, vector: Vectors) -> Vectors:
        """float32 [dimensions], whose inner product with `values_of` a code is the cosine."""
        rotated = vector.astype(np.float64).reshape(1, -1) @ self._rotation
        scaled: Vectors = (rotated[0] * (self._largest / STEPS)).astype(np.float32)
        return scaled

    @staticmethod
    def values_of(codes: Codes) -> Vectors:
        """Whole numbers -127 to 127."""
        return np.subtract(codes, np.float32(ZERO), dtype=np.float32)

    @classmethod
    def scores(cls, codes: Codes, query: Vectors) -> Vectors:
        """float32 [rows], each from its own code alone, byte for byte the same whatever stands beside it."""
        scores: Vectors = np.einsum("ij,j->i", cls.values_of(codes), query)
        return scores

    def cosines(self, codes: Codes, others: Codes) -> Vectors:
        """float32 [codes, others], each from its own two codes alone.

        Up to 1,040 dimensions sums of products of codes are whole numbers below 2²⁴, which no order of adding rounds.
        """
        products = self.values_of(codes) @ self.values_of(others).T
        cosines: Vectors = products * np.float32((self._largest / STEPS) ** 2)
        return cosines

    def prepare(self, quantizer: faiss.IndexScalarQuantizer) -> None:
        """Makes FAISS read a code as the number that it stands for."""
        faiss.copy_array_to_vector(np.array([-ZERO - 0.5, 255], dtype=np.float32), quantizer.sq.trained)
        quantizer.is_trained = True

    @property
    def _rotation(self) -> npt.NDArray[np.float64]:
        return _rotation_of(self.dimensions)


@lru_cache(maxsize=4)  # 20 ms of work, and in use are one encoder and perhaps its successor
def _rotation_of(dimensions: int) -> npt.NDArray[np.float64]:
    """An orthogonal matrix [dimensions, dimensions]; the signs make it the same with every linear algebra."""
    dice = np.random.default_rng(ROTATION_SEED).normal(size=(dimensions, dimensions))
    orthogonal, upper = np.linalg.qr(dice)
    rotation: npt.NDArray[np.float64] = orthogonal * np.sign(np.diag(upper))
    rotation.setflags(write=False)
    return rotation
