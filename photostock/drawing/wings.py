"""Animals without four legs: birds, butterflies, fish, whales and turtles."""

from __future__ import annotations

from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter, mix
from photostock.drawing.pen import Pen

BEAK: Rgb = (240, 160, 50)


def gull(pen: Pen, pose: str, colour: Rgb) -> None:
    """A bird in flight, or standing with folded wings."""
    body = mix(colour, WHITE, 0.35)
    if pose != "fly":
        for x in (-0.04, 0.06):
            pen.line([(x, 0), (x, 0.3)], 0.025, BEAK)
        pen.curve([(-0.5, 0.34), (0.0, 0.28), (0.26, 0.5), (0.2, 0.72), (-0.05, 0.56)], body)
        pen.curve([(-0.62, 0.36), (-0.1, 0.38), (0.08, 0.5), (-0.06, 0.58), (-0.3, 0.5)], darker(colour, 0.35))
        _bird_head(pen, 0.22, 0.76, 0.13, body)
        return
    pen.curve([(0.0, 0.5), (-0.3, 0.95), (-0.72, 0.98), (-0.3, 0.72), (-0.16, 0.46)], darker(colour, 0.28))
    pen.curve([(-0.55, 0.44), (-0.1, 0.56), (0.34, 0.56), (0.3, 0.4), (-0.1, 0.34)], body)
    pen.curve([(0.08, 0.5), (0.1, 0.98), (-0.2, 1.25), (-0.14, 0.84), (-0.18, 0.5)], darker(colour, 0.14))
    _bird_head(pen, 0.36, 0.52, 0.11, body)


def _bird_head(pen: Pen, x: float, y: float, r: float, colour: Rgb, *, beak: Rgb = BEAK) -> None:
    pen.shape([(x + r * 0.7, y + r * 0.35), (x + r * 2.0, y - r * 0.15), (x + r * 0.7, y - r * 0.4)], beak)
    pen.disc(x, y, r, colour)
    pen.disc(x + r * 0.35, y + r * 0.25, 0.028, BLACK)


def owl(pen: Pen, pose: str, colour: Rgb) -> None:
    """Sits on a branch and looks at you."""
    pen.limb([(-0.75, 0.06), (0.1, 0.1), (0.8, 0.02)], 0.1, (96, 70, 50), end=0.05)
    pen.curve([(-0.3, 0.9), (-0.36, 0.45), (-0.2, 0.12), (0.2, 0.12), (0.36, 0.45), (0.3, 0.9)], colour)
    for side in (-1, 1):
        wing = [(0.3 * side, 0.7), (0.42 * side, 0.42), (0.24 * side, 0.1), (0.22 * side, 0.45)]
        pen.curve(wing, darker(colour, 0.25))
        pen.shape([(0.12 * side, 0.95), (0.3 * side, 1.12), (0.32 * side, 0.82)], colour)
    pen.oval(0, 0.4, 0.19, 0.25, lighter(colour, 0.35))
    for k in range(6):
        pen.oval((-0.09, 0.0, 0.09)[k % 3], 0.34 + 0.14 * (k // 3), 0.025, 0.035, darker(colour, 0.15))
    for x in (-0.13, 0.13):
        pen.disc(x, 0.79, 0.135, lighter(colour, 0.55))
        pen.disc(x, 0.79, 0.085, (246, 196, 60))
        pen.disc(x, 0.79, 0.05, BLACK)
    pen.shape([(-0.05, 0.72), (0.05, 0.72), (0, 0.6)], BEAK)
    for x in (-0.1, 0.1):
        pen.oval(x, 0.12, 0.07, 0.035, BEAK)


def duck(pen: Pen, pose: str, colour: Rgb) -> None:
    """Swims, with a green head if it is a brown one."""
    pen.curve([(-0.62, 0.36), (-0.4, 0.08), (0.3, 0.06), (0.46, 0.34), (0.1, 0.42), (-0.3, 0.36)], colour)
    pen.curve([(-0.4, 0.36), (-0.1, 0.16), (0.18, 0.28), (0.0, 0.4)], darker(colour, 0.25))
    head = (46, 120, 84) if colour[0] < 200 else colour
    pen.limb([(0.34, 0.3), (0.36, 0.62)], 0.2, head, end=0.17)
    pen.shape([(0.46, 0.74), (0.72, 0.66), (0.68, 0.58), (0.46, 0.6)], BEAK)
    pen.disc(0.37, 0.7, 0.16, head)
    pen.disc(0.43, 0.75, 0.03, BLACK)
    _ripples(pen)


def swan(pen: Pen, pose: str, colour: Rgb) -> None:
    """Swims, with a long bent neck."""
    body = mix(colour, WHITE, 0.6 if sum(colour) > 400 else 0.04)
    pen.curve([(-0.7, 0.5), (-0.5, 0.08), (0.3, 0.05), (0.46, 0.3), (0.1, 0.44), (-0.35, 0.42)], body)
    pen.curve(
        [(-0.66, 0.56), (-0.3, 0.14), (0.2, 0.24), (0.02, 0.46), (-0.3, 0.44)],
        darker(body, 0.1) if sum(colour) > 400 else lighter(body, 0.15),
    )
    pen.limb([(0.36, 0.26), (0.52, 0.5), (0.36, 0.76), (0.42, 0.94)], 0.13, body, end=0.1)
    pen.limb([(0.46, 0.96), (0.54, 0.94)], 0.13, body, end=0.1)
    pen.shape([(0.56, 0.99), (0.74, 0.88), (0.56, 0.88)], BEAK)
    pen.disc(0.5, 0.98, 0.022, BLACK)
    _ripples(pen)


def _ripples(pen: Pen) -> None:
    for half, y in ((0.75, 0.05), (0.95, -0.03)):
        pen.faint(0.35).oval(0, y, half, 0.03, WHITE)


def penguin(pen: Pen, pose: str, colour: Rgb) -> None:
    """Upright, in a tail coat."""
    for x in (-0.12, 0.12):
        pen.oval(x, 0.03, 0.12, 0.04, BEAK)
    coat = (44, 46, 58)
    pen.curve([(-0.26, 0.1), (-0.32, 0.45), (-0.16, 0.82), (0.16, 0.82), (0.32, 0.45), (0.26, 0.1)], coat)
    pen.curve([(-0.17, 0.1), (-0.2, 0.42), (0.0, 0.7), (0.2, 0.42), (0.17, 0.1)], WHITE)
    for side in (-1, 1):
        pen.curve(
            [(0.26 * side, 0.68), (0.46 * side, 0.36), (0.4 * side, 0.28), (0.26 * side, 0.46)], darker(coat, 0.2)
        )
    pen.disc(0, 0.86, 0.17, coat)
    for x in (-0.07, 0.07):
        pen.disc(x, 0.86, 0.065, WHITE)
        pen.disc(x + 0.01, 0.87, 0.028, BLACK)
    pen.shape([(-0.05, 0.83), (0.05, 0.83), (0.0, 0.74)], BEAK)
    pen.oval(0, 0.7, 0.13, 0.04, (250, 206, 90))


def parrot(pen: Pen, pose: str, colour: Rgb) -> None:
    """Bright, long-tailed, on a branch."""
    pen.limb([(-0.7, 0.3), (0.7, 0.36)], 0.08, (96, 70, 50))
    pen.limb([(-0.02, 0.4), (-0.2, -0.06)], 0.14, darker(colour, 0.2), end=0.05)
    pen.curve([(-0.16, 0.36), (-0.14, 0.7), (0.02, 0.98), (0.22, 0.92), (0.2, 0.6), (0.08, 0.36)], colour)
    pen.curve([(-0.18, 0.2), (-0.16, 0.6), (0.02, 0.72), (0.04, 0.46)], (50, 110, 190))
    pen.curve([(-0.17, 0.42), (-0.13, 0.66), (0.0, 0.72), (0.02, 0.56)], (246, 200, 70))
    pen.disc(0.14, 0.9, 0.15, colour)
    pen.disc(0.19, 0.92, 0.085, WHITE)
    pen.disc(0.2, 0.93, 0.035, BLACK)
    pen.curve([(0.24, 0.96), (0.4, 0.9), (0.36, 0.76), (0.28, 0.84)], (60, 56, 56))


def flamingo(pen: Pen, pose: str, colour: Rgb) -> None:
    """On one leg, with the other folded."""
    pen.line([(0.02, 0), (0.02, 0.42)], 0.026, darker(colour, 0.2))
    pen.line([(-0.06, 0.44), (-0.14, 0.26), (0.02, 0.22)], 0.024, darker(colour, 0.25))
    pen.curve([(-0.36, 0.52), (-0.1, 0.38), (0.18, 0.44), (0.2, 0.56), (-0.1, 0.66)], colour)
    pen.curve([(-0.42, 0.46), (-0.1, 0.46), (0.04, 0.56), (-0.12, 0.64)], darker(colour, 0.16))
    pen.limb([(0.16, 0.52), (0.3, 0.66), (0.18, 0.82), (0.26, 0.95)], 0.075, colour, end=0.06)
    pen.disc(0.29, 0.95, 0.065, colour)
    pen.limb([(0.34, 0.94), (0.4, 0.85)], 0.05, WHITE, end=0.035)
    pen.disc(0.4, 0.85, 0.024, BLACK)
    pen.disc(0.3, 0.97, 0.015, BLACK)


def butterfly(pen: Pen, pose: str, colour: Rgb) -> None:
    """Open wings, seen from above."""
    for side in (-1, 1):
        for points, tone in (
            ([(0.03, 0.55), (0.3, 1.0), (0.68, 0.95), (0.62, 0.6), (0.3, 0.45)], colour),
            ([(0.03, 0.5), (0.4, 0.46), (0.5, 0.16), (0.24, 0.08)], lighter(colour, 0.25)),
        ):
            pen.curve([(x * side, y) for x, y in points], darker(colour, 0.6))
            pen.curve([(x * side * 0.86, 0.5 + (y - 0.5) * 0.86) for x, y in points], tone)
        pen.disc(0.44 * side, 0.8, 0.07, WHITE)
        pen.disc(0.3 * side, 0.26, 0.05, BLACK)
        pen.line([(0.0, 0.8), (0.12 * side, 1.02)], 0.015, BLACK)
    pen.limb([(0, 0.2), (0, 0.78)], 0.06, BLACK)


def fish(pen: Pen, pose: str, colour: Rgb) -> None:
    """A striped reef fish."""
    pen.curve([(-0.4, 0.5), (-0.78, 0.8), (-0.7, 0.5), (-0.78, 0.2)], darker(colour, 0.12))
    pen.curve([(-0.2, 0.8), (0.0, 1.02), (0.2, 0.86), (0.1, 0.7)], darker(colour, 0.2))
    pen.curve([(-0.46, 0.5), (-0.1, 0.82), (0.35, 0.74), (0.56, 0.5), (0.35, 0.26), (-0.1, 0.18)], colour)
    for x, half in ((-0.16, 0.29), (0.16, 0.3)):
        pen.limb([(x, 0.5 + half), (x + 0.05, 0.5), (x, 0.5 - half)], 0.1, WHITE)
    pen.disc(0.38, 0.58, 0.075, WHITE)
    pen.disc(0.4, 0.58, 0.042, BLACK)
    pen.shape([(0.02, 0.46), (-0.16, 0.3), (0.14, 0.36)], darker(colour, 0.2))


def whale(pen: Pen, pose: str, colour: Rgb) -> None:
    """Surfaces and blows."""
    for lean in (-1, 1):
        pen.faint(0.8).limb([(0.42, 0.6), (0.42 + 0.06 * lean, 0.9), (0.42 + 0.24 * lean, 0.82)], 0.05, WHITE, end=0.02)
    pen.limb([(-0.8, 0.2), (-1.0, 0.5)], 0.2, colour, end=0.1)
    pen.curve([(-1.0, 0.48), (-1.35, 0.74), (-1.1, 0.74), (-0.98, 0.62), (-0.78, 0.8), (-0.72, 0.66)], colour)
    pen.curve([(-0.95, 0.12), (-0.4, 0.52), (0.4, 0.62), (0.9, 0.3), (0.86, 0.0), (-0.8, 0.0)], colour)
    pen.curve([(0.1, 0.12), (0.88, 0.22), (0.84, 0.0), (-0.3, 0.0)], lighter(colour, 0.6))
    pen.disc(0.62, 0.3, 0.035, BLACK)
    pen.curve([(0.1, 0.1), (-0.12, -0.06), (0.2, 0.0), (0.34, 0.12)], darker(colour, 0.25))
    for k in range(5):
        pen.faint(0.6).oval(-0.9 + 0.45 * k, 0.0, 0.34, 0.05, (200, 226, 236))


def turtle(pen: Pen, pose: str, colour: Rgb) -> None:
    """A sea turtle that paddles to the right."""
    skin = mix(colour, (150, 170, 90), 0.6)
    pen.curve([(0.3, 0.4), (0.2, -0.02), (0.06, 0.04), (0.06, 0.4)], darker(skin, 0.2))
    pen.curve([(-0.4, 0.36), (-0.66, 0.16), (-0.6, 0.32), (-0.4, 0.46)], darker(skin, 0.2))
    pen.limb([(0.5, 0.46), (0.72, 0.56)], 0.22, skin)
    pen.disc(0.76, 0.58, 0.13, skin)
    pen.disc(0.81, 0.62, 0.03, BLACK)
    pen.curve([(-0.52, 0.36), (-0.3, 0.72), (0.2, 0.82), (0.56, 0.5), (0.5, 0.36), (-0.1, 0.3)], darker(colour, 0.3))
    for x, y in ((-0.24, 0.5), (0.02, 0.58), (0.28, 0.54), (-0.06, 0.42), (0.22, 0.42)):
        pen.oval(x, y, 0.1, 0.075, lighter(colour, 0.1))


FLYERS: dict[str, Callable[[Pen, str, Rgb], None]] = {
    "gull": gull,
    "owl": owl,
    "duck": duck,
    "swan": swan,
    "penguin": penguin,
    "parrot": parrot,
    "flamingo": flamingo,
    "butterfly": butterfly,
    "fish": fish,
    "whale": whale,
    "turtle": turtle,
}
