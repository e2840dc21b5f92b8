"""The pixels under a pen: solid and translucent drawing, gradients and glows."""

from __future__ import annotations

from PIL import Image, ImageDraw

from photostock.drawing.colours import Rgb, mix

Paint = tuple[int, ...]  # red, green, blue, and how opaque where that is not 255
GRADIENT_STEPS = 48
LEVEL_AT_EDGE = 181  # of Pillow's radial gradient, which reaches 255 in the corners


class Canvas:
    """One picture that is being drawn."""

    def __init__(self, width_px: int, height_px: int, colour: Rgb) -> None:
        self.image = Image.new("RGB", (width_px, height_px), colour)
        # Blending costs several times as much as covering, so that only what is translucent pays for it.
        self._solid, self._blend = ImageDraw.Draw(self.image), ImageDraw.Draw(self.image, "RGBA")

    def brush(self, paint: Paint) -> ImageDraw.ImageDraw:
        """What draws with this paint."""
        return self._blend if len(paint) == 4 else self._solid

    def gradient(self, top: Rgb, bottom: Rgb, above_px: int, below_px: int) -> None:
        """Fills the whole width between two rows of pixels."""
        rows = max(1, below_px - above_px)
        steps = min(rows, GRADIENT_STEPS)
        for step in range(steps):
            low, high = above_px + rows * step // steps, above_px + rows * (step + 1) // steps - 1
            colour = mix(top, bottom, step / max(1, steps - 1))
            self._solid.rectangle((0, low, self.image.width, max(low, high)), fill=colour)

    def glow(self, x_px: float, y_px: float, radius_px: float, colour: Rgb, share: float) -> None:
        """Light that fades from `share` in the middle to nothing at the radius."""
        size = max(2, round(2 * radius_px))
        fades = [round(255 * share * max(0.0, 1 - level / LEVEL_AT_EDGE)) for level in range(256)]
        fade = Image.radial_gradient("L").point(fades).resize((size, size), Image.Resampling.BILINEAR)
        corner = (round(x_px - radius_px), round(y_px - radius_px))
        self.image.paste(colour, (*corner, corner[0] + size, corner[1] + size), fade)
