"""Vehicles on wheels and rails, seen from the side."""

from __future__ import annotations

import math
from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.pen import Pen

GLASS: Rgb = (176, 212, 228)
RUBBER: Rgb = (44, 44, 50)
STEEL: Rgb = (170, 174, 180)
LAMP: Rgb = (255, 236, 160)


def _wheel(pen: Pen, x: float, r: float) -> None:
    pen.disc(x, r, r, RUBBER)
    pen.disc(x, r, r * 0.55, STEEL)
    pen.disc(x, r, r * 0.2, RUBBER)


def _panes(pen: Pen, x0: float, x1: float, y0: float, y1: float, count: int) -> None:
    wide = (x1 - x0) / count
    for k in range(count):
        pen.box(x0 + k * wide + wide * 0.08, y0, x0 + (k + 1) * wide - wide * 0.08, y1, GLASS, round_by=0.02)


def car(pen: Pen, pose: str, colour: Rgb) -> None:
    """A rounded saloon."""
    pen.curve([(-0.62, 0.5), (-0.4, 0.94), (0.3, 0.96), (0.66, 0.52)], darker(colour, 0.1))
    pen.shape([(-0.46, 0.54), (-0.32, 0.86), (-0.02, 0.88), (-0.02, 0.54)], GLASS)
    pen.shape([(0.04, 0.54), (0.04, 0.88), (0.26, 0.87), (0.5, 0.54)], GLASS)
    pen.box(-1.0, 0.18, 1.0, 0.56, colour, round_by=0.16)
    pen.box(-1.0, 0.18, 1.0, 0.3, darker(colour, 0.22), round_by=0.06)
    pen.disc(0.92, 0.44, 0.07, LAMP)
    pen.box(-1.0, 0.4, -0.92, 0.5, (210, 60, 50))
    pen.box(-0.12, 0.44, 0.0, 0.47, WHITE)
    for x in (-0.58, 0.6):
        _wheel(pen, x, 0.2)


def camper(pen: Pen, pose: str, colour: Rgb) -> None:
    """A two-coloured van with a surfboard on the roof."""
    pen.limb([(-0.7, 1.08), (0.6, 1.08)], 0.06, (246, 200, 90), end=0.03)
    pen.box(-0.95, 0.16, 0.95, 1.02, WHITE, round_by=0.18)
    pen.box(-0.95, 0.16, 0.95, 0.56, colour, round_by=0.1)
    _panes(pen, -0.86, 0.5, 0.62, 0.88, 3)
    pen.shape([(0.58, 0.62), (0.58, 0.88), (0.78, 0.88), (0.9, 0.62)], GLASS)
    pen.disc(0.86, 0.42, 0.07, LAMP)
    for x in (-0.54, 0.54):
        _wheel(pen, x, 0.19)


def bus(pen: Pen, pose: str, colour: Rgb) -> None:
    """A city bus."""
    pen.box(-1.25, 0.16, 1.25, 1.0, colour, round_by=0.1)
    pen.box(-1.25, 0.2, 1.25, 0.34, darker(colour, 0.25))
    _panes(pen, -1.15, 0.7, 0.5, 0.86, 5)
    pen.box(0.74, 0.22, 0.98, 0.86, lighter(GLASS, 0.3))
    pen.line([(0.86, 0.22), (0.86, 0.86)], 0.02, darker(colour, 0.4))
    pen.box(1.06, 0.5, 1.25, 0.86, GLASS, round_by=0.03)
    pen.disc(1.2, 0.38, 0.045, LAMP)
    for x in (-0.76, 0.6):
        _wheel(pen, x, 0.18)


def tram(pen: Pen, pose: str, colour: Rgb) -> None:
    """A tram with its bow under the wire."""
    pen.line([(-1.7, 1.3), (1.7, 1.3)], 0.012, BLACK)
    pen.line([(-0.2, 1.0), (0.1, 1.15), (-0.1, 1.3)], 0.025, BLACK)
    pen.box(-1.2, 0.14, 1.2, 1.0, colour, round_by=0.14)
    pen.box(-1.2, 0.46, 1.2, 0.56, (246, 236, 210))
    _panes(pen, -1.1, 1.1, 0.6, 0.88, 6)
    pen.box(-0.2, 0.16, 0.2, 0.88, lighter(GLASS, 0.25))
    pen.line([(-1.7, 0.02), (1.7, 0.02)], 0.03, STEEL)
    for x in (-0.8, -0.5, 0.5, 0.8):
        _wheel(pen, x, 0.11)


def train(pen: Pen, pose: str, colour: Rgb) -> None:
    """A steam engine with a coach."""
    pen.line([(-1.9, 0.015), (1.6, 0.015)], 0.03, (110, 96, 86))
    pen.box(-1.6, 0.2, -0.52, 0.78, darker(colour, 0.1), round_by=0.05)
    _panes(pen, -1.52, -0.6, 0.46, 0.68, 4)
    pen.box(-0.45, 0.24, 0.0, 0.92, colour)
    pen.box(-0.5, 0.9, 0.05, 0.98, BLACK)
    pen.box(-0.36, 0.58, -0.1, 0.82, GLASS)
    pen.box(-0.02, 0.3, 0.9, 0.68, darker(colour, 0.3), round_by=0.12)
    pen.shape([(0.6, 0.66), (0.55, 0.98), (0.85, 0.98), (0.8, 0.66)], BLACK)
    pen.box(0.2, 0.66, 0.36, 0.78, (216, 170, 70), round_by=0.05)
    pen.shape([(0.86, 0.24), (1.16, 0.02), (0.86, 0.02)], (150, 50, 46))
    pen.box(-0.45, 0.2, 0.95, 0.32, (150, 50, 46))
    for x, y, r in ((0.68, 1.12, 0.11), (0.46, 1.26, 0.15), (0.16, 1.36, 0.18)):
        pen.faint(0.75).disc(x, y, r, (236, 236, 238))
    for x, r in ((-1.4, 0.1), (-0.76, 0.1), (-0.22, 0.17), (0.2, 0.17), (0.62, 0.12), (0.86, 0.1)):
        _wheel(pen, x, r)


def bicycle(pen: Pen, pose: str, colour: Rgb) -> None:
    """A bicycle with spokes."""
    for x in (-0.5, 0.5):
        pen.ring(x, 0.34, 0.34, 0.05, RUBBER)
        for k in range(6):
            dx, dy = 0.3 * math.cos(k * math.pi / 6), 0.3 * math.sin(k * math.pi / 6)
            pen.line([(x - dx, 0.34 - dy), (x + dx, 0.34 + dy)], 0.008, STEEL)
    crank, seat, bars = (-0.06, 0.32), (-0.2, 0.8), (0.36, 0.78)
    frame = ((-0.5, 0.34), crank, seat, (-0.5, 0.34)), (crank, bars, (0.5, 0.34)), ((-0.18, 0.72), bars)
    for path in frame:
        pen.limb(path, 0.05, colour)
    pen.limb([bars, (0.33, 0.94), (0.46, 0.95)], 0.04, BLACK)
    pen.limb([(-0.32, 0.86), (-0.1, 0.86)], 0.06, BLACK)
    pen.disc(crank[0], crank[1], 0.07, STEEL)


def motorcycle(pen: Pen, pose: str, colour: Rgb) -> None:
    """A motorcycle with a long seat."""
    for x in (-0.62, 0.66):
        pen.disc(x, 0.3, 0.3, RUBBER)
        pen.disc(x, 0.3, 0.18, STEEL)
        pen.disc(x, 0.3, 0.07, RUBBER)
    pen.limb([(0.66, 0.3), (0.42, 0.92)], 0.06, STEEL)
    pen.curve([(-0.3, 0.24), (-0.34, 0.5), (0.3, 0.5), (0.26, 0.2)], (88, 90, 98))
    pen.limb([(-0.9, 0.22), (0.1, 0.22)], 0.08, STEEL)
    pen.curve([(-0.12, 0.56), (-0.02, 0.82), (0.4, 0.8), (0.42, 0.6)], colour)
    pen.curve([(-0.84, 0.62), (-0.5, 0.7), (-0.06, 0.7), (-0.1, 0.54), (-0.5, 0.54)], BLACK)
    pen.curve([(-0.94, 0.56), (-0.6, 0.66), (-0.3, 0.56)], colour)
    pen.limb([(0.44, 0.92), (0.28, 1.0)], 0.05, BLACK)
    pen.disc(0.52, 0.8, 0.09, LAMP)


def tractor(pen: Pen, pose: str, colour: Rgb) -> None:
    """A tractor with one great wheel."""
    pen.box(-0.1, 0.34, 0.8, 0.64, colour, round_by=0.06)
    pen.box(-0.62, 0.4, 0.0, 0.62, darker(colour, 0.2))
    pen.shape([(-0.56, 0.6), (-0.5, 1.0), (-0.02, 1.0), (0.04, 0.6)], GLASS)
    pen.box(-0.6, 0.98, 0.04, 1.06, colour)
    for x in (-0.54, 0.0):
        pen.line([(x, 0.6), (x, 1.0)], 0.04, darker(colour, 0.3))
    pen.box(0.48, 0.64, 0.54, 0.9, BLACK)
    pen.disc(0.78, 0.5, 0.05, LAMP)
    _wheel(pen, -0.4, 0.36)
    _wheel(pen, 0.6, 0.22)


def truck(pen: Pen, pose: str, colour: Rgb) -> None:
    """A lorry with a box body."""
    pen.box(-1.2, 0.24, 0.42, 1.04, (238, 234, 226), round_by=0.03)
    pen.box(-1.2, 0.52, 0.42, 0.64, lighter(colour, 0.2))
    pen.box(0.48, 0.2, 1.14, 0.86, colour, round_by=0.1)
    pen.shape([(0.78, 0.54), (0.78, 0.78), (1.0, 0.78), (1.12, 0.54)], GLASS)
    pen.box(-1.2, 0.16, 1.14, 0.26, (70, 72, 80))
    pen.disc(1.08, 0.36, 0.05, LAMP)
    for x in (-0.84, -0.46, 0.8):
        _wheel(pen, x, 0.19)


WHEELS: dict[str, Callable[[Pen, str, Rgb], None]] = {
    "car": car,
    "camper": camper,
    "bus": bus,
    "tram": tram,
    "train": train,
    "bicycle": bicycle,
    "motorcycle": motorcycle,
    "tractor": tractor,
    "truck": truck,
}
