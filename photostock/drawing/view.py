"""The picture while it is drawn: its size, its horizon, its chance, and pens for it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from photostock.drawing.colours import Rgb, mix
from photostock.drawing.palette import Palette, palette_of
from photostock.drawing.pen import Pen
from photostock.scene import Scene

GRADIENT_STEPS = 32
HORIZONS = {"sky": 0.1, "mountains": 0.34, "reef": 0.12, "room": 0.27, "cafe": 0.3, "kitchen": 0.36, "table": 0.42}


@dataclass(frozen=True, slots=True)
class View:
    """A picture of `width` x `height` units, where one unit is its shorter side; the origin is bottom left."""

    image: Image.Image
    scene: Scene
    palette: Palette
    width: float
    height: float
    horizon: float  # units above the bottom; indoors, the edge between wall and floor
    chance: random.Random
    pen: Pen  # in the light of the scene
    cast: Pen  # for the subject, which is easier to see
    bare: Pen  # for colours of the palette, which have the light in them

    def gradient(self, top: Rgb, bottom: Rgb, y_top: float, y_bottom: float) -> None:
        """Fills the whole width between two heights."""
        unit = self.image.height / self.height
        above, below = round((self.height - y_top) * unit), round((self.height - y_bottom) * unit)
        strip = Image.new("RGB", (1, GRADIENT_STEPS))
        strip.putdata([mix(top, bottom, step / (GRADIENT_STEPS - 1)) for step in range(GRADIENT_STEPS)])
        size = (self.image.width, max(1, below - above))
        self.image.paste(strip.resize(size, Image.Resampling.BILINEAR), (0, above))


def view_of(scene: Scene, *, width_px: int, height_px: int) -> View:
    """An empty picture of a scene."""
    palette = palette_of(scene)
    image = Image.new("RGB", (width_px, height_px), palette.low)
    unit = min(width_px, height_px)
    draw = ImageDraw.Draw(image, "RGBA")  # so that shapes may be translucent
    height = height_px / unit
    return View(
        image=image,
        scene=scene,
        palette=palette,
        width=width_px / unit,
        height=height,
        horizon=height * HORIZONS.get(scene.setting, 0.4),
        chance=random.Random(scene.seed),  # noqa: S311 - it places clouds, it keeps no secret
        pen=Pen(draw, x=0, y=height_px, unit=unit, lit=palette.lit),
        cast=Pen(draw, x=0, y=height_px, unit=unit, lit=palette.on_subject),
        bare=Pen(draw, x=0, y=height_px, unit=unit, lit=lambda colour: colour),
    )
