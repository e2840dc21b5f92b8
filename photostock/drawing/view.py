"""The picture while it is drawn: its size, its horizon, its chance, and pens for it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from photostock.drawing.canvas import Canvas
from photostock.drawing.colours import Rgb
from photostock.drawing.palette import Palette, palette_of
from photostock.drawing.pen import Pen
from photostock.scene import Scene

HORIZONS = {"sky": 0.1, "mountains": 0.34, "reef": 0.12, "room": 0.27, "cafe": 0.3, "kitchen": 0.36, "table": 0.42}


@dataclass(frozen=True, slots=True)
class View:
    """A picture of `width` x `height` units, where one unit is its shorter side; the origin is bottom left."""

    canvas: Canvas
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
        unit = self.canvas.image.height / self.height
        self.canvas.gradient(top, bottom, round((self.height - y_top) * unit), round((self.height - y_bottom) * unit))


def view_of(scene: Scene, *, width_px: int, height_px: int) -> View:
    """An empty picture of a scene."""
    palette = palette_of(scene)
    canvas = Canvas(width_px, height_px, palette.low)
    unit = min(width_px, height_px)
    height = height_px / unit
    return View(
        canvas=canvas,
        scene=scene,
        palette=palette,
        width=width_px / unit,
        height=height,
        horizon=height * HORIZONS.get(scene.setting, 0.4),
        chance=random.Random(scene.seed),  # noqa: S311 - it places clouds, it keeps no secret
        pen=Pen(canvas, x=0, y=height_px, unit=unit, lit=palette.lit),
        cast=Pen(canvas, x=0, y=height_px, unit=unit, lit=palette.on_subject),
        bare=Pen(canvas, x=0, y=height_px, unit=unit, lit=lambda colour: colour),
    )
