"""How a finished picture, or one colour of it, looks in a style."""

from __future__ import annotations

from PIL import Image, ImageOps

from photostock.drawing.colours import Rgb, grey_of, mix

SEPIA: Rgb = (226, 184, 124)
FADE = 0.34  # how much of an old print is sepia


def finish(image: Image.Image, style: str) -> Image.Image:
    """The picture in its style; most need nothing done to them."""
    if style == "mono":
        return ImageOps.grayscale(image).convert("RGB")
    if style == "vintage":
        return Image.blend(image, Image.new("RGB", image.size, SEPIA), FADE)
    return image


def finished(colour: Rgb, style: str) -> Rgb:
    """What `finish` makes of one colour."""
    if style == "mono":
        return grey_of(colour)
    return mix(colour, SEPIA, FADE) if style == "vintage" else colour
