"""The other half of an encoder that sees: pictures to vectors in the space of its texts. Needs no torch."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from common.versions.registry import ArtifactError, Release
from photostock.text_model import session

PICTURE_MODEL = "picture.onnx"
PARAMETER = "picture"  # of the manifest: a `Preparation`
MOST_PX = 1024  # of a side; models that see take 224 to 512

Pixels: TypeAlias = npt.NDArray[np.float32]
Vector: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What becomes of a picture before the model sees it, as the model was trained.

    Args:
        resize_px: length of the shorter side, or with `to_square` of both.
        to_square: whether the shape is given up.
        crop_px: side of the square in the middle that is kept.
        mean: of each channel (red, green, blue), where white is 1.
        spread: of each channel, by which it is divided.
        resample: a filter of Pillow, by its number.
    """

    resize_px: int
    to_square: bool
    crop_px: int
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    resample: int

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Preparation:
        """As a manifest keeps it; `ArtifactError` if it is none."""
        try:
            told = dict(parameters[PARAMETER])
            made = cls(**told | {name: tuple(map(float, told[name])) for name in ("mean", "spread")})
            Image.Resampling(made.resample)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"parameter {PARAMETER!r} of the manifest tells no way to see: {error!r}") from error
        fits = 0 < made.crop_px <= made.resize_px <= MOST_PX and len(made.mean) == len(made.spread) == 3
        if not fits or min(made.spread) <= 0:
            raise ArtifactError(f"parameter {PARAMETER!r} of the manifest is out of range: {parameters[PARAMETER]}")
        return made

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def pixels(self, content: bytes) -> Pixels:
        """float32 [1, 3, crop_px, crop_px] of a picture file; `OSError` or `ValueError` for what is none."""
        with Image.open(io.BytesIO(content)) as opened:
            image = self._cropped(opened.convert("RGB"))
        mean, spread = np.array([self.mean, self.spread], dtype=np.float32)
        scaled: Pixels = (np.asarray(image, dtype=np.float32) / np.float32(255) - mean) / spread
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])

    def _cropped(self, image: Image.Image) -> Image.Image:
        short_px = min(image.size)
        whole = [self.resize_px if self.to_square else self.resize_px * side_px // short_px for side_px in image.size]
        resized = image.resize((whole[0], whole[1]), Image.Resampling(self.resample))
        left, top = ((side_px - self.crop_px) // 2 for side_px in resized.size)
        return resized.crop((left, top, left + self.crop_px, top + self.crop_px))


class PictureModel:
    """Safe for many threads; one picture at a time, so that no vector depends on what was encoded beside it."""

    def __init__(self, release: Release, *, dimensions: int) -> None:
        self._preparation = Preparation.of(release.manifest.parameters)
        manifest = release.manifest
        try:
            self._session = session(str(release.path(PICTURE_MODEL)))
            blank = np.zeros((1, 3, self._preparation.crop_px, self._preparation.crop_px), dtype=np.float32)
            vector = self._run(blank)
        except Exception as error:  # onnxruntime raises bare exceptions of its own for a bad file
            raise ArtifactError(f"{manifest.component} {manifest.version} can't see: {error}") from error
        if vector.shape != (dimensions,) or not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:
            raise ArtifactError(
                f"{manifest.component} {manifest.version} gives pictures {vector.shape}, or no unit length"
            )

    def run(self, content: bytes) -> Vector:
        """float32 [dimensions], of unit length; `OSError` or `ValueError` for what is no picture."""
        return self._run(self._preparation.pixels(content))

    def _run(self, pixels: Pixels) -> Vector:
        row: Vector = self._session.run(None, {self._session.get_inputs()[0].name: pixels})[0][0]
        return row
