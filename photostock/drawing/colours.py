"""Colours as red, green and blue from 0 to 255, and how they mix."""

from __future__ import annotations

Rgb = tuple[int, int, int]

WHITE: Rgb = (250, 250, 248)
BLACK: Rgb = (24, 24, 28)

# What the words of the catalogue look like.
NAMED: dict[str, Rgb] = {
    "red": (205, 50, 48),
    "orange": (236, 129, 41),
    "yellow": (245, 203, 60),
    "green": (70, 145, 80),
    "blue": (52, 104, 178),
    "purple": (128, 76, 160),
    "pink": (236, 140, 170),
    "white": (243, 240, 234),
    "black": (46, 45, 50),
    "brown": (128, 82, 50),
    "grey": (140, 142, 148),
    "golden": (214, 160, 80),
}


def rgb(code: str) -> Rgb:
    """The colour of a code like #aabbcc."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def code_of(colour: Rgb) -> str:
    """The code like #aabbcc of a colour."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """A colour between two; `share` 0 is all the one, 1 is all the other."""
    keep = 1.0 - share
    return (
        round(one[0] * keep + other[0] * share),
        round(one[1] * keep + other[1] * share),
        round(one[2] * keep + other[2] * share),
    )


def darker(colour: Rgb, share: float = 0.25) -> Rgb:
    """A shade of a colour."""
    return mix(colour, (16, 14, 28), share)


def lighter(colour: Rgb, share: float = 0.25) -> Rgb:
    """A tint of a colour."""
    return mix(colour, (255, 252, 244), share)


def grey_of(colour: Rgb) -> Rgb:
    """The same brightness without colour (ITU-R 601, as Pillow has it)."""
    level = (colour[0] * 299 + colour[1] * 587 + colour[2] * 114) // 1000
    return level, level, level
