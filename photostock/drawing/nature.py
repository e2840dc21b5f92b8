"""Plants, landmarks of nature, and a few things that people leave about."""

from __future__ import annotations

import math
from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.land import TRUNK, round_tree
from photostock.drawing.pen import Pen

STEM: Rgb = (84, 140, 70)
Season = str


def oak(pen: Pen, season: Season, colour: Rgb) -> None:
    """A lone tree as the season dresses it."""
    round_tree(pen, colour, bare=season == "winter")


def palm(pen: Pen, season: Season, colour: Rgb) -> None:
    """A leaning palm with coconuts."""
    pen.limb([(-0.2, 0), (-0.1, 0.4), (0.06, 0.82)], 0.1, (150, 112, 74), end=0.06)
    for angle in (-30, 5, 45, 90, 135, 170, 205):
        dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        tip = (0.06 + 0.52 * dx, 0.84 + 0.26 * dy - 0.1)
        middle = (0.06 + 0.3 * dx, 0.9 + 0.26 * dy)
        pen.curve([(0.06, 0.84), middle, tip, (middle[0], middle[1] - 0.1)], darker(STEM, 0.1 if dy > 0.4 else 0.25))
    for x in (0.02, 0.11):
        pen.disc(x, 0.8, 0.045, (110, 72, 44))


def sunflower(pen: Pen, season: Season, colour: Rgb) -> None:
    """One great sunflower before two small ones."""
    for x, size in ((-0.5, 0.62), (0.52, 0.7), (0.0, 1.0)):
        flower = pen.inside(x, 0, size)
        flower.limb([(0.02, 0), (0, 0.66)], 0.05, STEM)
        for side in (-1, 1):
            flower.curve([(0, 0.3), (0.18 * side, 0.46), (0.32 * side, 0.38), (0.16 * side, 0.28)], STEM)
        for k in range(14):
            dx, dy = math.cos(k * math.pi / 7), math.sin(k * math.pi / 7)
            petal = colour if k % 2 else lighter(colour, 0.2)
            flower.oval(0.23 * dx, 0.78 + 0.23 * dy, 0.12, 0.05, petal, turn=k * 180 / 7)
        flower.disc(0, 0.78, 0.17, (92, 60, 38))
        flower.disc(0, 0.78, 0.1, (66, 42, 30))


def tulip(pen: Pen, season: Season, colour: Rgb) -> None:
    """A bunch of tulips."""
    for x, tall, lean in (
        (-0.4, 0.6, -0.1),
        (0.42, 0.64, 0.1),
        (-0.18, 0.8, -0.04),
        (0.2, 0.84, 0.05),
        (0.0, 0.95, 0.0),
    ):
        pen.limb([(x * 0.5, 0), (x, tall - 0.14)], 0.035, STEM)
        pen.curve([(x * 0.5, 0), (x - 0.12, 0.2), (x - 0.16, 0.42), (x * 0.6, 0.16)], darker(STEM, 0.12))
        cup = [
            (-0.13, 0.12),
            (-0.12, -0.08),
            (0, -0.15),
            (0.12, -0.08),
            (0.13, 0.12),
            (0.06, 0.03),
            (0, 0.15),
            (-0.06, 0.03),
        ]
        pen.shape([(x + dx + lean * 0.2, tall + dy) for dx, dy in cup], colour)
        pen.oval(x, tall - 0.03, 0.06, 0.1, lighter(colour, 0.2))


def rose(pen: Pen, season: Season, colour: Rgb) -> None:
    """One rose with a bud."""
    pen.limb([(0.04, 0), (-0.02, 0.4), (0.0, 0.64)], 0.04, darker(STEM, 0.15))
    pen.limb([(0.0, 0.34), (0.26, 0.6)], 0.03, darker(STEM, 0.15))
    for side, y in ((-1, 0.26), (1, 0.18), (-1, 0.46)):
        pen.oval(0.16 * side, y + 0.06, 0.15, 0.07, STEM, turn=30 * side)
    pen.oval(0.28, 0.66, 0.08, 0.11, darker(colour, 0.1))
    for k in range(6):
        dx, dy = math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)
        pen.disc(0.13 * dx, 0.8 + 0.12 * dy, 0.15, darker(colour, 0.1 if k % 2 else 0.18))
    for r, tone in ((0.17, colour), (0.11, darker(colour, 0.16)), (0.07, lighter(colour, 0.12))):
        pen.disc(0.01, 0.81, r, tone)


def cactus(pen: Pen, season: Season, colour: Rgb) -> None:
    """A saguaro with two arms."""
    pen.limb([(0, 0), (0, 0.9)], 0.22, colour)
    pen.limb([(0, 0.36), (-0.32, 0.4), (-0.32, 0.68)], 0.14, colour)
    pen.limb([(0, 0.5), (0.3, 0.54), (0.3, 0.8)], 0.13, darker(colour, 0.08))
    for x in (-0.05, 0.05):
        pen.line([(x, 0.04), (x, 0.92)], 0.012, darker(colour, 0.25))
    for x, y in ((0, 1.02), (-0.32, 0.76), (0.3, 0.88)):
        pen.disc(x, y, 0.05, (236, 110, 150))


def mushroom(pen: Pen, season: Season, colour: Rgb) -> None:
    """A toadstool and its child."""
    for x, size in ((0.46, 0.5), (-0.08, 1.0)):
        cap = pen.inside(x, 0, size)
        cap.limb([(0, 0), (0, 0.5)], 0.24, (244, 234, 214), end=0.18)
        cap.curve([(-0.5, 0.46), (-0.36, 0.8), (0, 0.96), (0.36, 0.8), (0.5, 0.46), (0, 0.38)], colour)
        for dx, y, r in ((-0.24, 0.62, 0.07), (0.02, 0.76, 0.08), (0.26, 0.6, 0.06), (-0.02, 0.52, 0.05)):
            cap.disc(dx, y, r, WHITE)


def waterfall(pen: Pen, season: Season, colour: Rgb) -> None:
    """Water over a cliff into a pool."""
    rock: Rgb = (104, 104, 108)
    pen.shape([(-1.1, 0), (-1.0, 0.9), (-0.7, 1.16), (0.7, 1.2), (1.0, 0.86), (1.1, 0)], rock)
    pen.shape([(-1.1, 0), (-1.0, 0.9), (-0.7, 1.16), (-0.4, 0.6), (-0.6, 0)], darker(rock, 0.15))
    pen.curve([(-1.0, 1.0), (-0.6, 1.28), (0.0, 1.2), (0.7, 1.3), (1.0, 0.95), (0.0, 1.08)], (80, 140, 76))
    pen.shape([(-0.2, 1.14), (-0.28, 0.05), (0.34, 0.05), (0.24, 1.14)], (196, 226, 240))
    for k in range(7):
        x = -0.2 + 0.075 * k
        pen.faint(0.7).line([(x, 1.1 - 0.05 * (k % 3)), (x * 1.3, 0.1 + 0.1 * (k % 2))], 0.03, WHITE)
    pen.oval(0, 0.02, 0.9, 0.14, (110, 170, 200))
    for x in (-0.3, -0.1, 0.12, 0.32):
        pen.faint(0.7).disc(x, 0.09, 0.13, WHITE)


def snowman(pen: Pen, season: Season, colour: Rgb) -> None:
    """Three balls, a carrot, a scarf of `colour`."""
    for y, r in ((0.24, 0.27), (0.58, 0.2), (0.84, 0.15)):
        pen.disc(0.015, y - 0.01, r, (206, 214, 226))
        pen.disc(0, y, r * 0.97, WHITE)
    for side in (-1, 1):
        pen.limb([(0.18 * side, 0.62), (0.46 * side, 0.78)], 0.03, TRUNK, end=0.015)
    pen.limb([(-0.14, 0.72), (0.14, 0.72)], 0.08, colour)
    pen.limb([(0.09, 0.72), (0.13, 0.5)], 0.08, darker(colour, 0.12))
    pen.shape([(0.02, 0.87), (0.24, 0.83), (0.02, 0.81)], (240, 130, 40))
    for x, y in ((-0.05, 0.9), (0.06, 0.9), (0, 0.62), (0, 0.54), (0, 0.46)):
        pen.disc(x, y, 0.022, BLACK)
    pen.box(-0.2, 0.96, 0.2, 1.0, BLACK)
    pen.box(-0.13, 0.98, 0.13, 1.18, BLACK)


def books(pen: Pen, season: Season, colour: Rgb) -> None:
    """A pile of books with an apple on top."""
    tones: tuple[Rgb, ...] = (colour, (70, 110, 140), (206, 170, 90), darker(colour, 0.3), (110, 140, 100))
    for k, tone in enumerate(tones):
        left = -0.6 + 0.07 * ((k * 3) % 4)
        pen.box(left, 0.17 * k, left + 1.05, 0.17 * k + 0.16, tone, round_by=0.02)
        pen.box(left + 0.98, 0.17 * k + 0.03, left + 1.07, 0.17 * k + 0.13, (246, 238, 220))
        pen.box(left + 0.1, 0.17 * k + 0.02, left + 0.14, 0.17 * k + 0.14, lighter(tone, 0.5))
    pen.disc(0.0, 1.0, 0.14, (206, 54, 48))
    pen.limb([(0.0, 1.12), (0.04, 1.2)], 0.02, TRUNK)
    pen.oval(0.1, 1.18, 0.07, 0.03, STEM, turn=20)


def laptop(pen: Pen, season: Season, colour: Rgb) -> None:
    """An open laptop with a chart, and a cup."""
    pen.box(-0.66, 0.16, 0.66, 0.98, (66, 70, 78), round_by=0.05)
    pen.unlit().box(-0.6, 0.22, 0.6, 0.92, (226, 236, 244))
    for k, tall in enumerate((0.2, 0.34, 0.28, 0.46, 0.56)):
        pen.box(-0.48 + 0.2 * k, 0.28, -0.36 + 0.2 * k, 0.28 + tall, colour if k % 2 else lighter(colour, 0.35))
    pen.shape([(-0.72, 0.16), (0.72, 0.16), (0.9, 0.0), (-0.9, 0.0)], (176, 180, 188))
    pen.shape([(-0.6, 0.13), (0.6, 0.13), (0.68, 0.06), (-0.68, 0.06)], (110, 114, 122))
    pen.box(1.0, 0.0, 1.24, 0.28, WHITE, round_by=0.04)
    pen.ring(1.28, 0.15, 0.08, 0.035, WHITE)


def guitar(pen: Pen, season: Season, colour: Rgb) -> None:
    """A guitar that leans on nothing in particular."""
    pen.limb([(0.0, 0.5), (0.26, 1.2)], 0.07, (96, 64, 44))
    pen.limb([(0.25, 1.16), (0.3, 1.32)], 0.11, (70, 46, 34))
    for x, y, r in ((-0.1, 0.26, 0.27), (0.03, 0.56, 0.19)):
        pen.disc(x, y, r, darker(colour, 0.35))
        pen.disc(x, y, r * 0.92, colour)
    pen.disc(-0.01, 0.46, 0.085, (60, 40, 32))
    pen.limb([(-0.18, 0.2), (-0.04, 0.15)], 0.035, (60, 40, 32))
    pen.line([(-0.11, 0.18), (0.27, 1.22)], 0.01, (240, 230, 200))


def vase(pen: Pen, season: Season, colour: Rgb) -> None:
    """Cut flowers in a vase."""
    for k, angle in enumerate((50, 70, 90, 110, 130)):
        dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        tip = (0.52 * dx, 0.46 + 0.56 * dy)
        pen.line([(0, 0.42), tip], 0.024, STEM)
        petal: Rgb = ((236, 110, 130), (250, 214, 90), WHITE, (170, 120, 200), (240, 150, 80))[k]
        for j in range(6):
            a = j * math.pi / 3
            pen.disc(tip[0] + 0.075 * math.cos(a), tip[1] + 0.075 * math.sin(a), 0.06, petal)
        pen.disc(tip[0], tip[1], 0.05, (240, 180, 60))
    pen.curve([(-0.12, 0.5), (-0.24, 0.24), (-0.14, 0.0), (0.14, 0.0), (0.24, 0.24), (0.12, 0.5)], colour)
    pen.faint(0.3).oval(-0.1, 0.26, 0.03, 0.12, WHITE)


def clock(pen: Pen, season: Season, colour: Rgb) -> None:
    """An alarm clock with two bells."""
    for side in (-1, 1):
        pen.limb([(0.2 * side, 0.1), (0.28 * side, 0.0)], 0.06, darker(colour, 0.3))
        pen.oval(0.26 * side, 0.88, 0.15, 0.1, darker(colour, 0.15), turn=-35 * side)
    pen.disc(0, 0.46, 0.44, colour)
    pen.disc(0, 0.46, 0.36, (250, 246, 234))
    for k in range(12):
        dx, dy = math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)
        pen.line([(0.28 * dx, 0.46 + 0.28 * dy), (0.33 * dx, 0.46 + 0.33 * dy)], 0.02, BLACK)
    pen.limb([(0, 0.46), (-0.15, 0.6)], 0.036, BLACK)
    pen.limb([(0, 0.46), (0.2, 0.58)], 0.026, BLACK)


NATURE: dict[str, Callable[[Pen, Season, Rgb], None]] = {
    "oak": oak,
    "palm": palm,
    "sunflower": sunflower,
    "tulip": tulip,
    "rose": rose,
    "cactus": cactus,
    "mushroom": mushroom,
    "waterfall": waterfall,
    "snowman": snowman,
    "books": books,
    "laptop": laptop,
    "guitar": guitar,
    "vase": vase,
    "clock": clock,
}
