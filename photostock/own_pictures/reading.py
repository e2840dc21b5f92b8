"""Reads a picture that somebody sent, and makes of it what is kept: our own JPEG, without anything but the picture.

The file is drawn anew, so neither a place where it was taken (EXIF) nor anything else that hides in it is passed on.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from photostock.filter.colours import RADIUS, lab_of

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 25_000_000  # a file of some kilobytes can claim to be a picture that fills the memory
LEAST_SIDE_PX = 16
MOST_KEPT_PX = 2048  # of the longer side
JPEG_QUALITY = 90
SAMPLE_PX = 96  # side of the small copy whose colours are counted
QUANTISED = 8  # colours before those that look alike become one
MOST_COLOURS = 3
LEAST_SHARE = 0.12  # of the picture that a main colour covers
LYING = (5, 6, 7, 8)  # EXIF orientations in which width and height change places


class UnreadablePicture(ValueError):
    """Not a picture that we take, and why."""


class TooManyPixels(UnreadablePicture):
    """It would fill the memory."""


@dataclass(frozen=True, slots=True)
class OwnPicture:
    """A picture as it is kept: upright, with its own size and the colours that cover most of it, the largest first."""

    jpeg: bytes
    width: int
    height: int
    palette: tuple[str, ...]


def read_picture(content: bytes) -> OwnPicture:
    """Decodes JPEG, PNG or WebP; raises `UnreadablePicture`.

    The largest that is taken costs about a second of CPU, and 400 MB of memory while it is decoded as WebP.
    """
    image, width, height = _upright(content)
    return OwnPicture(as_jpeg(image), width, height, main_colours(image))


def resized(jpeg: bytes, *, width_px: int) -> bytes:
    """A kept picture `width_px` wide, or as it is if that is more than it has."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        if width_px >= image.width:
            return jpeg
        image.draft("RGB", (2 * width_px, 2 * width_px))  # decodes only as much as is needed
        height_px = max(1, round(image.height * width_px / image.width))
        return as_jpeg(image.convert("RGB").resize((width_px, height_px), Image.Resampling.LANCZOS))


def main_colours(image: Image.Image) -> tuple[str, ...]:
    """One to three colours like #aabbcc by the share that they cover; shades that look alike count as one."""
    small = image.resize((SAMPLE_PX, SAMPLE_PX), Image.Resampling.BOX).quantize(QUANTISED, Image.Quantize.MEDIANCUT)
    flat = np.array(small.getpalette() or [], dtype=np.int64).reshape(-1, 3)
    counts = np.bincount(np.asarray(small).ravel(), minlength=len(flat))
    shares: dict[str, int] = {}
    for place in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].tolist():
        code, count = "#{:02x}{:02x}{:02x}".format(*flat[place].tolist()), int(counts[place])
        alike = next((known for known in shares if _distance(known, code) < RADIUS), code)
        shares[alike] = shares.get(alike, 0) + count
    ranked = sorted(shares, key=lambda code: -shares[code])
    main = [code for code in ranked if shares[code] >= LEAST_SHARE * SAMPLE_PX**2]
    return tuple((main or ranked)[:MOST_COLOURS])


def as_jpeg(image: Image.Image) -> bytes:
    """JPEG without any metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def _upright(content: bytes) -> tuple[Image.Image, int, int]:
    """The picture no larger than what is kept, and its own width and height as a person sees it."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            _refuse_bad_size(width, height)
            share = MOST_KEPT_PX / max(width, height)  # of a JPEG no more than needed is decoded
            image.draft(None, (ceil(share * width), ceil(share * height)))
            image.load()  # of a film only the first picture
            if image.getexif().get(ExifTags.Base.Orientation) in LYING:
                width, height = height, width
            small: Image.Image = image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGBA")
            small.thumbnail((MOST_KEPT_PX, MOST_KEPT_PX))
            return _opaque(ImageOps.exif_transpose(small)), width, height
    except UnreadablePicture:
        raise
    except UnidentifiedImageError as error:
        raise UnreadablePicture("this is neither JPEG nor PNG nor WebP") from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow raises whatever its decoders meet: OSError, SyntaxError, struct.error …
        raise UnreadablePicture(f"it can't be read: {type(error).__name__}") from error


def _refuse_bad_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise TooManyPixels(f"{width} x {height} is more than {MOST_PIXELS:,} pixels")
    if min(width, height) < LEAST_SIDE_PX:
        raise UnreadablePicture(f"{width} x {height} is less than {LEAST_SIDE_PX} pixels a side")


def _opaque(image: Image.Image) -> Image.Image:
    """In RGB, on white where it was transparent, and without what the file told besides."""
    rgba = image.convert("RGBA")
    plain = Image.new("RGB", rgba.size, "white")
    plain.paste(rgba, mask=rgba.getchannel("A"))
    return plain


def _distance(one: str, other: str) -> float:
    return float(np.linalg.norm(lab_of(one) - lab_of(other)))
