"""Colours as people compare them: OKLab, where equal distances look about equally different."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.photo import HEX_COLOUR

Lab: TypeAlias = npt.NDArray[np.float32]

# Dark, middle and light shades of each name: the one colour that stands for a whole photo is often a muted one.
NAMED_COLOURS: dict[str, tuple[str, ...]] = {
    "black": ("#000000", "#2a2a2a"),
    "grey": ("#5c5c5c", "#8c8c8c", "#b8b8b8"),
    "white": ("#e6e6e6", "#ffffff"),
    "red": ("#7a2020", "#c03030", "#e05848", "#b06860"),
    "orange": ("#b85c1c", "#e88830", "#f4b880"),
    "yellow": ("#a89028", "#e0c840", "#f0e4a0"),
    "brown": ("#3e2c1e", "#6e4c30", "#9c7650"),
    "beige": ("#c4ac88", "#e4d4b8"),
    "green": ("#26402a", "#4c8044", "#98bc80"),
    "teal": ("#1c5050", "#349090", "#8cc8c4"),
    "blue": ("#1e3058", "#3c70b8", "#94b8dc"),
    "purple": ("#40285c", "#7c50a8", "#b498d0"),
    "pink": ("#a84870", "#e07898", "#ecbcc8"),
}
NAMES = tuple(NAMED_COLOURS)
RADIUS = 0.10  # how far from a #rrggbb a photo may be; black and white are 0.5 apart
LIGHTNESS_WEIGHT = 0.5  # the same hue in shadow still counts as that colour

# Björn Ottosson, "A perceptual color space for image processing" (2020).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


class UnknownColour(ValueError):
    """Neither #rrggbb nor one of `NAMES`."""


def lab_of(colour: str) -> Lab:
    """Weighted OKLab of "#rrggbb": the Euclidean distance of two results is how different the colours look."""
    if not HEX_COLOUR.fullmatch(colour):
        raise UnknownColour(f"{colour!r} is neither #rrggbb nor one of {', '.join(NAMES)}")
    encoded = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: Lab = (_TO_LAB @ np.cbrt(_TO_CONES @ linear) * (LIGHTNESS_WEIGHT, 1, 1)).astype(np.float32)
    return lab


def nearest_name(lab: Lab) -> int:
    """Place in `NAMES` of the name that fits best: every photo has exactly one."""
    codes, shades = _shades()
    return codes[int(np.argmin(np.sum((shades - lab) ** 2, axis=1)))]


@cache
def _shades() -> tuple[list[int], Lab]:
    named = [(code, shade) for code, name in enumerate(NAMES) for shade in NAMED_COLOURS[name]]
    return [code for code, _ in named], np.stack([lab_of(shade) for _, shade in named])
