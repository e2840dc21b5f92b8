"""The picture of a photo: its drawn scene, or a placeholder in its colour with its title."""

from __future__ import annotations

import io
import textwrap

from PIL import Image, ImageDraw, ImageFont

from photostock.drawing.canvas import Canvas
from photostock.drawing.colours import BLACK, WHITE, code_of, darker, lighter, rgb
from photostock.drawing.paint import paint
from photostock.drawing.palette import dominant
from photostock.drawing.styles import finished
from photostock.photo import Photo
from photostock.scene import Scene, scene_of

LEAST_WIDTH_PX, MOST_WIDTH_PX = 16, 2048
MOST_STRETCHED = 4.0  # a strip of 1 x 100,000 pixels would fill the memory
MOST_CHARACTERS = 300  # of a title on a placeholder
JPEG_QUALITY = 86


def draw(photo: Photo, *, width_px: int) -> bytes:
    """The JPEG of a photo, `width_px` wide (16 to 2048) and as high as the photo's shape asks for."""
    if not LEAST_WIDTH_PX <= width_px <= MOST_WIDTH_PX:
        raise ValueError(f"width_px is {width_px}, not within {LEAST_WIDTH_PX} to {MOST_WIDTH_PX}")
    stretched = min(max(photo.height / photo.width, 1 / MOST_STRETCHED), MOST_STRETCHED)
    height_px = max(1, round(width_px * stretched))
    image = _painted(photo, width_px, height_px) or _placeholder(photo, width_px, height_px)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def color_of(scene: Scene) -> str:
    """The colour that covers most of a drawn scene, like #aabbcc, without drawing it."""
    return code_of(finished(dominant(scene), scene.style))


def _painted(photo: Photo, width_px: int, height_px: int) -> Image.Image | None:
    scene = scene_of(photo.scene)
    if scene is None:
        return None
    try:
        return paint(scene, width_px=width_px, height_px=height_px)
    except KeyError:  # a word of another version's vocabulary
        return None


def _placeholder(photo: Photo, width_px: int, height_px: int) -> Image.Image:
    colour = rgb(photo.color)
    canvas = Canvas(width_px, height_px, colour)
    canvas.gradient(lighter(colour, 0.25), darker(colour, 0.45), 0, height_px)
    size_px = max(8, min(width_px, height_px) // 12)
    wide, tall = max(4, round(width_px * 1.6 / size_px)), max(1, round(height_px / (size_px * 2)))
    told = (photo.title or photo.description or photo.id)[:MOST_CHARACTERS]
    text = "\n".join(textwrap.wrap(told, wide)[:tall])
    brush, font = ImageDraw.Draw(canvas.image), ImageFont.load_default(size_px)
    x, y = width_px / 2, height_px / 2
    for shift_px, ink in ((1, BLACK), (0, WHITE)):
        brush.multiline_text((x + shift_px, y + shift_px), text, fill=ink, font=font, anchor="mm", align="center")
    return canvas.image
