"""Texts to vectors: what makes a query and a photo comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from common.progress import progress
from common.versions.registry import ArtifactError, Release
from photostock.text_model import TextModel, check_manifest, number

Vectors: TypeAlias = npt.NDArray[np.float32]
BLOCK = 32  # texts that a thread takes at a time


class Encoder(Protocol):
    """Anything that turns texts into unit-length vectors; vectors of two versions must never meet in one index."""

    @property
    def version(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [texts, dimensions], each of length 1, each dependent on its own text only."""
        ...


class OnnxEncoder:
    """A published encoder; safe for many threads."""

    def __init__(self, model: TextModel, *, version: str, dimensions: int) -> None:
        self._model = model
        self._version = version
        self._dimensions = dimensions

    @classmethod
    def load(cls, release: Release) -> OnnxEncoder:
        """The encoder of a release, after a first text has shown that it does what its manifest says."""
        manifest = release.manifest
        check_manifest(manifest, component="encoder")
        model = TextModel(release, max_tokens=int(number(manifest.parameters, "max_tokens")))
        encoder = cls(model, version=manifest.version, dimensions=int(number(manifest.parameters, "dimensions")))
        encoder._check()
        return encoder

    @property
    def version(self) -> str:
        return self._version

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One by one, so that a text has the same vector, byte for byte, whatever is encoded beside it."""
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._model.run(text)
        return vectors

    def _check(self) -> None:
        vector = self._model.run("a photo")
        if vector.shape != (self._dimensions,):
            raise ArtifactError(f"encoder {self._version} gives {vector.shape} and not {self._dimensions} numbers")
        if not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:  # also true for NaN
            raise ArtifactError(f"encoder {self._version} gives vectors that are not of unit length")


def encode_all(
    encoder: Encoder,
    texts: Mapping[str, str],
    *,
    kept: Mapping[str, bytes] | None = None,
    what: str,
    threads: int = 2,
) -> Vectors:
    """Vectors [texts, dimensions] of texts by id, in their order: on several threads, with progress shown.

    Args:
        kept: vectors that are there already, by id, as `Catalogue.vectors` gives them.
    """
    ready = {key: np.frombuffer(kept[key], dtype="<f4") for key in texts if key in kept} if kept else {}
    missing = [key for key in texts if key not in ready]
    blocks = [missing[start : start + BLOCK] for start in range(0, len(missing), BLOCK)]
    with progress(what, len(missing)) as report, ThreadPoolExecutor(threads) as pool:
        encoded = pool.map(lambda block: encoder.encode([texts[key] for key in block]), blocks)
        for block, vectors in zip(blocks, encoded, strict=True):
            ready.update(zip(block, vectors, strict=True))
            report.advance(len(block))
    return np.array([ready[key] for key in texts], dtype=np.float32).reshape(len(texts), encoder.dimensions)
