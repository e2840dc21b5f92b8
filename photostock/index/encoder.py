"""Texts to vectors: what makes a query and a photo comparable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import structlog

from common.progress import progress
from common.versions.probes import check_probes
from common.versions.registry import ArtifactError, Release
from photostock.golden import encoder_answer
from photostock.index.picture_model import PICTURE_MODEL, PictureModel
from photostock.photo import Photo
from photostock.text_model import TextModel, check_manifest, number

Vectors: TypeAlias = npt.NDArray[np.float32]
ReadPicture: TypeAlias = Callable[[str], bytes]  # the JPEG of a digest; `OSError` where it is gone
BLOCK = 32  # texts that a thread takes at a time
log = structlog.get_logger(__name__)


class Encoder(Protocol):
    """Anything that turns texts into unit-length vectors; vectors of two versions must never meet in one index."""

    @property
    def version(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [texts, dimensions], each of length 1, each dependent on its own text only."""
        ...


@runtime_checkable
class PhotoEncoder(Protocol):
    """An encoder to which a photo is more than its text."""

    def encode_photos(self, photos: Sequence[Photo]) -> Vectors:
        """float32 [photos, dimensions], each of length 1, each dependent on its own photo only."""
        ...


def photo_vectors(encoder: Encoder, photos: Sequence[Photo]) -> Vectors:
    """float32 [photos, dimensions]: what stands for each photo in the index of this encoder."""
    if isinstance(encoder, PhotoEncoder):
        return encoder.encode_photos(photos)
    return encoder.encode([photo.text for photo in photos])


class OnnxEncoder:
    """A published encoder; safe for many threads.

    Args:
        sight: what turns pictures into vectors of the same space, if the model can.
        pictures: reads the pictures that photos have of their own; without it photos are their texts.
    """

    def __init__(
        self,
        model: TextModel,
        *,
        version: str,
        dimensions: int,
        sight: PictureModel | None = None,
        pictures: ReadPicture | None = None,
    ) -> None:
        self._model = model
        self._version = version
        self._dimensions = dimensions
        self._sight = sight
        self._pictures = pictures

    @classmethod
    def load(cls, release: Release, *, pictures: ReadPicture | None = None) -> OnnxEncoder:
        """The encoder of a release, after first texts have shown that it answers as it did when it was published."""
        manifest = release.manifest
        check_manifest(manifest, component="encoder")
        model = TextModel(release, max_tokens=int(number(manifest.parameters, "max_tokens")))
        dimensions = int(number(manifest.parameters, "dimensions"))
        sight = PictureModel(release, dimensions=dimensions) if PICTURE_MODEL in manifest.artifacts else None
        encoder = cls(model, version=manifest.version, dimensions=dimensions, sight=sight, pictures=pictures)
        encoder._check()
        check_probes(release, partial(encoder_answer, encoder))
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

    @property
    def sees(self) -> bool:
        """Whether it encodes pictures, too."""
        return self._sight is not None

    def encode_photos(self, photos: Sequence[Photo]) -> Vectors:
        """Text alone, or where photo and encoder have what it takes the mean of text and picture, of length 1."""
        vectors = self.encode([photo.text for photo in photos])
        for row, photo in enumerate(photos):
            if (seen := self._seen(photo)) is not None:
                mean = vectors[row] + seen
                vectors[row] = mean / max(float(np.linalg.norm(mean)), 1e-6)
        return vectors

    def encode_picture(self, content: bytes) -> Vectors:
        """float32 [dimensions] of a picture file, of length 1; `ValueError` where the encoder does not see."""
        if self._sight is None:
            raise ValueError(f"encoder {self._version} does not see")
        return self._sight.run(content)

    def _seen(self, photo: Photo) -> Vectors | None:
        if self._sight is None or self._pictures is None or photo.picture is None:
            return None
        try:
            return self._sight.run(self._pictures(photo.picture["digest"]))
        except (OSError, ValueError) as error:  # lost or damaged: its text still says what it is
            log.warning("picture.lost", photo=photo.id, error=type(error).__name__)
            return None

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
