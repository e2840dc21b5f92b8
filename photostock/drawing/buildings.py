"""Buildings as landmarks; `lamps` says whether their windows shine."""

from __future__ import annotations

import math
from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.land import TRUNK, WINDOW_LIGHT, house
from photostock.drawing.pen import Pen

PANE: Rgb = (96, 120, 146)
ROOF: Rgb = (150, 76, 60)


def _window(pen: Pen, x: float, y: float, wide: float, tall: float, lamps: bool) -> None:
    glass = pen.unlit() if lamps else pen
    glass.box(x - wide / 2, y, x + wide / 2, y + tall, WINDOW_LIGHT if lamps else PANE)


def lighthouse(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A banded tower on a rock, with its beam after dark."""
    if lamps:
        beam = pen.unlit().faint(0.3)
        beam.shape([(0.0, 1.1), (1.6, 1.36), (1.6, 0.96)], (255, 246, 200))
        beam.shape([(0.0, 1.1), (-1.6, 1.3), (-1.6, 1.0)], (255, 246, 200))
    pen.curve([(-0.5, 0.0), (-0.3, 0.14), (0.3, 0.12), (0.54, 0.0), (0.2, -0.06), (-0.3, -0.06)], (110, 106, 108))
    for k in range(5):
        low, high = 0.08 + 0.18 * k, 0.08 + 0.18 * (k + 1)
        a, b = 0.22 - 0.018 * k, 0.22 - 0.018 * (k + 1)
        pen.shape([(-a, low), (-b, high), (b, high), (a, low)], WHITE if k % 2 else colour)
    pen.box(-0.18, 0.98, 0.18, 1.02, BLACK)
    _window(pen, 0, 1.02, 0.18, 0.14, lamps)
    pen.shape([(-0.14, 1.16), (0, 1.32), (0.14, 1.16)], darker(colour, 0.3))
    _window(pen, 0, 0.5, 0.06, 0.09, lamps)
    pen.box(-0.06, 0.08, 0.06, 0.24, darker(TRUNK, 0.3))


def castle(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """Four towers, battlements and a gate."""
    for x, wide, tall in ((-0.3, 0.16, 1.05), (0.3, 0.16, 1.0)):
        _tower(pen, x, wide, tall, darker(colour, 0.18), lamps)
    pen.box(-0.62, 0, 0.62, 0.52, colour)
    for k in range(9):
        pen.box(-0.62 + k * 0.145, 0.52, -0.62 + k * 0.145 + 0.08, 0.6, colour)
    for x, wide, tall in ((-0.66, 0.26, 0.74), (0.66, 0.26, 0.78)):
        _tower(pen, x, wide, tall, lighter(colour, 0.06), lamps)
    pen.box(-0.13, 0, 0.13, 0.24, (70, 50, 40))
    pen.disc(0, 0.24, 0.13, (70, 50, 40))
    for x in (-0.34, 0.34):
        _window(pen, x, 0.28, 0.07, 0.13, lamps)


def _tower(pen: Pen, x: float, wide: float, tall: float, colour: Rgb, lamps: bool) -> None:
    pen.box(x - wide / 2, 0, x + wide / 2, tall, colour)
    pen.shape([(x - wide * 0.66, tall), (x, tall + 0.3), (x + wide * 0.66, tall)], (110, 70, 110))
    pen.line([(x, tall + 0.28), (x, tall + 0.42)], 0.012, BLACK)
    pen.shape([(x, tall + 0.42), (x + 0.1, tall + 0.38), (x, tall + 0.34)], (206, 60, 56))
    _window(pen, x, tall * 0.72, wide * 0.28, 0.11, lamps)


def windmill(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A tower mill with four sails."""
    pen.shape([(-0.32, 0), (-0.2, 0.78), (0.2, 0.78), (0.32, 0)], colour)
    pen.shape([(0.04, 0), (0.04, 0.78), (0.2, 0.78), (0.32, 0)], darker(colour, 0.12))
    pen.curve([(-0.24, 0.76), (-0.12, 0.98), (0.12, 0.98), (0.24, 0.76)], ROOF)
    pen.box(-0.08, 0, 0.08, 0.24, darker(TRUNK, 0.3))
    _window(pen, 0, 0.42, 0.09, 0.11, lamps)
    for k in range(4):
        angle = math.radians(28 + 90 * k)
        dx, dy = math.cos(angle), math.sin(angle)
        pen.limb([(0, 0.86), (0.72 * dx, 0.86 + 0.72 * dy)], 0.035, TRUNK)
        corners = ((0.16, 0.0), (0.7, 0.0), (0.7, 0.15), (0.16, 0.15))
        pen.faint(0.92).shape([(u * dx - v * dy, 0.86 + u * dy + v * dx) for u, v in corners], (244, 238, 222))
    pen.disc(0, 0.86, 0.05, BLACK)


def church(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A nave with a steeple."""
    pen.box(-0.16, 0, 0.66, 0.46, colour)
    pen.shape([(-0.2, 0.44), (-0.08, 0.72), (0.58, 0.72), (0.72, 0.44)], ROOF)
    pen.box(-0.42, 0, -0.08, 0.8, lighter(colour, 0.1))
    pen.shape([(-0.46, 0.78), (-0.25, 1.24), (-0.04, 0.78)], darker(ROOF, 0.15))
    pen.line([(-0.25, 1.22), (-0.25, 1.4)], 0.02, (216, 180, 90))
    pen.line([(-0.31, 1.34), (-0.19, 1.34)], 0.02, (216, 180, 90))
    pen.disc(-0.25, 0.66, 0.07, WHITE)
    pen.line([(-0.25, 0.7), (-0.25, 0.66), (-0.22, 0.65)], 0.012, BLACK)
    for x in (0.08, 0.28, 0.48):
        _window(pen, x, 0.12, 0.08, 0.16, lamps)
        pen.disc(x, 0.28, 0.04, WINDOW_LIGHT if lamps else PANE)
    pen.box(-0.32, 0, -0.18, 0.24, darker(TRUNK, 0.3))


def bridge(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A suspension bridge from edge to edge."""
    for x in (-0.62, 0.62):
        pen.box(x - 0.055, -0.1, x + 0.055, 1.0, darker(colour, 0.1))
        pen.box(x - 0.11, -0.12, x + 0.11, 0.03, (140, 136, 134))
        for y in (0.6, 0.84):
            pen.box(x - 0.1, y, x + 0.1, y + 0.05, darker(colour, 0.2))
    cable = [(x / 20, 0.36 + 0.6 * (x / 20 / 0.62) ** 2) for x in range(-12, 13)]
    pen.line(cable, 0.022, colour)
    for side in (-1, 1):
        pen.line([(0.62 * side, 0.96), (1.7 * side, 0.3)], 0.022, colour)
    for x, y in cable[::2]:
        pen.line([(x, 0.3), (x, y)], 0.01, colour)
    pen.box(-1.8, 0.24, 1.8, 0.32, darker(colour, 0.25))
    if lamps:
        for k in range(-8, 9):
            pen.unlit().disc(k * 0.2, 0.35, 0.018, WINDOW_LIGHT)


def skyscraper(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A tower of glass between two lower ones."""
    for x, wide, tall in ((-0.34, 0.34, 0.8), (0.36, 0.36, 0.66), (0.0, 0.36, 1.3)):
        face = colour if x == 0 else darker(colour, 0.3)
        pen.box(x - wide / 2, 0, x + wide / 2, tall, face)
        pen.box(x + wide * 0.2, 0, x + wide / 2, tall, darker(face, 0.15))
        for row in range(1, int(tall / 0.09)):
            for column in range(4):
                lit = lamps and (row * 7 + column * 5 + int(tall * 10)) % 3 > 0
                wx = x - wide * 0.36 + column * wide * 0.24
                (pen.unlit() if lit else pen).box(
                    wx - wide * 0.075, row * 0.09, wx + wide * 0.075, row * 0.09 + 0.05, WINDOW_LIGHT if lit else PANE
                )
    pen.line([(0, 1.3), (0, 1.52)], 0.02, BLACK)


def cottage(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A small house with smoke and flowers."""
    for x, y, r in ((0.34, 1.1, 0.07), (0.42, 1.24, 0.09), (0.54, 1.36, 0.11)):
        pen.faint(0.5).disc(x, y, r, (226, 226, 230))
    house(pen, colour, ROOF, lamps=lamps)
    for k in range(8):
        pen.disc(-0.44 + k * 0.125, 0.05, 0.055, ((230, 90, 110), (250, 220, 90), (90, 150, 80))[k % 3])


def barn(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A wide barn with a mansard roof, and a silo."""
    pen.box(0.66, 0, 0.94, 0.86, (186, 190, 196), round_by=0.1)
    pen.disc(0.8, 0.84, 0.14, (150, 156, 164))
    pen.shape([(-0.62, 0), (-0.62, 0.5), (-0.44, 0.82), (0, 0.98), (0.44, 0.82), (0.62, 0.5), (0.62, 0)], colour)
    pen.limb([(-0.68, 0.46), (-0.47, 0.84), (0, 1.01), (0.47, 0.84), (0.68, 0.46)], 0.07, (90, 84, 86))
    pen.box(-0.24, 0, 0.24, 0.42, WHITE)
    pen.box(-0.2, 0, 0.2, 0.38, darker(colour, 0.2))
    pen.line([(-0.2, 0), (0.2, 0.38)], 0.03, WHITE)
    pen.line([(-0.2, 0.38), (0.2, 0)], 0.03, WHITE)
    _window(pen, 0, 0.6, 0.18, 0.14, lamps)


def pagoda(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """Five roofs with upturned eaves."""
    for k in range(5):
        y, half = 0.24 * k, 0.34 - 0.045 * k
        pen.box(-half * 0.72, y, half * 0.72, y + 0.18, (232, 214, 190))
        for x in (-half * 0.4, 0.0, half * 0.4):
            _window(pen, x, y + 0.03, half * 0.2, 0.11, lamps)
        eave = [(-half * 1.6, y + 0.2), (-half * 0.8, y + 0.17), (half * 0.8, y + 0.17), (half * 1.6, y + 0.2)]
        pen.shape([*eave, (half * 0.6, y + 0.27), (-half * 0.6, y + 0.27)], colour)
    pen.line([(0, 1.2), (0, 1.46)], 0.03, (216, 176, 80))


def tent(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A ridge tent with a camp fire."""
    pen.shape([(-0.7, 0), (-0.1, 0.86), (0.62, 0)], colour)
    pen.shape([(-0.1, 0.86), (0.62, 0), (0.9, 0.08), (0.28, 0.82)], darker(colour, 0.2))
    (pen.unlit() if lamps else pen).shape([(-0.3, 0), (-0.1, 0.6), (0.14, 0)], WINDOW_LIGHT if lamps else BLACK)
    pen.line([(-0.1, 0.86), (-0.9, 0.0)], 0.008, WHITE)
    for x in (-1.16, -1.04):
        pen.limb([(x - 0.1, 0.02), (x + 0.16, 0.06)], 0.05, TRUNK)
    flame = pen.unlit()
    flame.curve([(-1.2, 0.06), (-1.16, 0.24), (-1.06, 0.42), (-0.98, 0.2), (-0.94, 0.06)], (240, 120, 40))
    flame.curve([(-1.14, 0.06), (-1.08, 0.24), (-1.0, 0.06)], (255, 214, 90))


def ferris(pen: Pen, lamps: bool, colour: Rgb) -> None:
    """A big wheel with twelve cabins."""
    for side in (-1, 1):
        pen.limb([(0, 0.66), (0.3 * side, 0)], 0.04, (220, 220, 226))
    for r in (0.52, 0.44):
        pen.ring(0, 0.66, r, 0.022, colour)
    for k in range(12):
        dx, dy = math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)
        pen.line([(0, 0.66), (0.52 * dx, 0.66 + 0.52 * dy)], 0.01, lighter(colour, 0.4))
        cabin: Rgb = ((226, 80, 70), (246, 200, 70), (70, 150, 190))[k % 3]
        x, y = 0.52 * dx, 0.66 + 0.52 * dy
        (pen.unlit() if lamps else pen).box(x - 0.05, y - 0.09, x + 0.05, y + 0.01, cabin, round_by=0.02)
    pen.disc(0, 0.66, 0.05, darker(colour, 0.3))


BUILDINGS: dict[str, Callable[[Pen, bool, Rgb], None]] = {
    "lighthouse": lighthouse,
    "castle": castle,
    "windmill": windmill,
    "church": church,
    "bridge": bridge,
    "skyscraper": skyscraper,
    "cottage": cottage,
    "barn": barn,
    "pagoda": pagoda,
    "tent": tent,
    "ferris": ferris,
}
