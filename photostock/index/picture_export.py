"""Publishes the half of an encoder that sees, compared with the original on its way out. Imports torch when called.

Models of CLIP's kind keep texts and pictures in two corners of their space (the modality gap), so that any text is
nearer to a query than the very picture it asks for. Of a catalogue in which only some photos have a picture that makes
two classes. So the mean difference, measured on drawn photos and what is written about them, is added to pictures.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from photostock.demo_catalogue import demo_photos
from photostock.index.encoder import OnnxEncoder, Vectors
from photostock.index.picture_model import MOST_PX, PARAMETER, PICTURE_MODEL, Preparation
from photostock.onnx_export import export_int8
from photostock.pictures import draw

PICTURES = {0: "pictures"}
MULTIPLICATIONS = ("MatMul", "Gemm")  # convolutions of int8 are slower than those of float32, or not there at all
PROBE_SIZES_PX = ((320, 240), (240, 320), (256, 256), (640, 200))
PROBE_PATCH_PX = 40
GAP_PHOTOS, GAP_SEED, GAP_WIDTH_PX = 48, 7, 320  # drawn, to measure the gap


class UnknownPreparation(Exception):
    """The model wants its pictures in a way that is not served here."""


def sees(original: Any) -> bool:
    """Whether a `SentenceTransformer` encodes pictures, too: CLIP and its kind."""
    return "image" in getattr(original, "modalities", ())


def draft_sight(original: Any, folder: Path, *, gap: Vectors) -> dict[str, Any]:
    """Writes `PICTURE_MODEL` to the folder; the parameters of a manifest that belong to it.

    Args:
        gap: as `modality_gap` measured it.
    """
    preparation = _preparation(original[0].processor.image_processor)
    pixels = preparation.pixels(probe_pictures()[0])
    module, sample = _beside_texts(original, gap), _tensor(pixels)
    exported = export_int8(module, {"pixel_values": sample}, output="vector", axes=PICTURES, only=MULTIPLICATIONS)
    (folder / PICTURE_MODEL).write_bytes(exported)
    return {PARAMETER: preparation.as_json()}


def sight_agreement(served: OnnxEncoder, original: Any, *, gap: Vectors) -> dict[str, float]:
    """Cosines of served and original vectors of some pictures, prepared by either's own code."""
    probes = probe_pictures()
    shifted = _encoded(original, [_image(content) for content in probes]) + gap
    reference = shifted / np.linalg.norm(shifted, axis=1, keepdims=True)
    cosines = np.sum(np.stack([served.encode_picture(content) for content in probes]) * reference, axis=1)
    return {"picture_agreement_mean": float(cosines.mean()), "picture_agreement_least": float(cosines.min())}


def modality_gap(original: Any) -> Vectors:
    """float32 [dimensions]: the mean vector of texts less that of pictures, of the same photos."""
    photos = list(demo_photos(count=GAP_PHOTOS, seed=GAP_SEED))
    images = [_image(draw(photo, width_px=GAP_WIDTH_PX)) for photo in photos]
    texts, pictures = _encoded(original, [photo.text for photo in photos]), _encoded(original, images)
    gap: Vectors = (texts.mean(axis=0) - pictures.mean(axis=0)).astype(np.float32)
    return gap


def probe_pictures() -> Sequence[bytes]:
    """PNG files of coloured patches, the same ones every time."""
    dice, files = np.random.default_rng(1), []
    for width_px, height_px in PROBE_SIZES_PX:
        patches = dice.integers(0, 256, (-(-height_px // PROBE_PATCH_PX), -(-width_px // PROBE_PATCH_PX), 3))
        whole = patches.astype(np.uint8).repeat(PROBE_PATCH_PX, axis=0).repeat(PROBE_PATCH_PX, axis=1)
        file = io.BytesIO()
        Image.fromarray(whole[:height_px, :width_px]).save(file, "PNG")
        files.append(file.getvalue())
    return files


def _preparation(processor: Any) -> Preparation:
    """What an image processor of transformers does, in our terms; `UnknownPreparation` if it does more or other."""
    size: dict[str, Any] = dict(processor.size)
    told: dict[str, Any] = processor.to_dict()
    short_px = size.get("shortest_edge")
    resize_px: int = short_px or size.get("height") or 0
    crop = dict(told.get("crop_size") or {}) if told.get("do_center_crop") else {}
    crop_px = crop.get("height", resize_px)
    does = all(told.get(name, True) for name in ("do_resize", "do_rescale", "do_normalize"))
    square = short_px or size.get("height") == size.get("width")
    cropped = crop.get("height") == crop.get("width") and (crop or not short_px)
    if not (does and square and cropped and resize_px and crop_px <= resize_px <= MOST_PX):
        raise UnknownPreparation(f"pictures of {size}, cropped to {crop or 'nothing'}")
    if abs(float(told["rescale_factor"]) * 255 - 1) > 1e-6:
        raise UnknownPreparation(f"white is {255 * float(told['rescale_factor']):g} and not 1")
    return Preparation(
        resize_px=int(resize_px),
        to_square=not short_px,
        crop_px=int(crop_px),
        mean=tuple(told["image_mean"]),
        spread=tuple(told["image_std"]),
        resample=int(told["resample"]),
    )


def _beside_texts(original: Any, gap: Vectors) -> Any:
    """The model's way to see as one module, its vectors moved to where those of texts are, with unit-length output."""
    import torch

    class BesideTexts(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.original = original
            self.register_buffer("gap", torch.from_numpy(gap))

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            vectors = self.original({"pixel_values": pixel_values, "modality": "image"})["sentence_embedding"]
            return torch.nn.functional.normalize(torch.nn.functional.normalize(vectors, dim=1) + self.gap, dim=1)

    return BesideTexts()


def _encoded(original: Any, what: Sequence[Any]) -> Vectors:
    vectors: Vectors = original.encode(list(what), normalize_embeddings=True, show_progress_bar=False)
    return vectors


def _image(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _tensor(pixels: Vectors) -> Any:
    import torch

    return torch.from_numpy(pixels)
