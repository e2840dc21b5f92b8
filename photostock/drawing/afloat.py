"""What floats and what flies: boats, ships, balloons and aeroplanes."""

from __future__ import annotations

from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.pen import Pen

PLANK: Rgb = (140, 92, 56)


def sailboat(pen: Pen, pose: str, colour: Rgb) -> None:
    """A sloop with two sails."""
    pen.line([(0.0, 0.14), (0.0, 1.3)], 0.025, PLANK)
    pen.curve([(0.05, 0.26), (0.1, 0.8), (0.04, 1.28), (0.4, 0.7), (0.62, 0.26)], WHITE)
    pen.curve([(-0.04, 0.26), (-0.1, 0.7), (-0.03, 1.14), (-0.3, 0.6), (-0.5, 0.28)], lighter(colour, 0.3))
    pen.curve([(-0.7, 0.2), (0.0, 0.17), (0.8, 0.24), (0.56, 0.0), (-0.5, -0.02)], colour)
    pen.limb([(-0.62, 0.17), (0.66, 0.18)], 0.03, WHITE)
    _wake(pen, 0.8)


def ship(pen: Pen, pose: str, colour: Rgb) -> None:
    """A freighter with containers."""
    pen.box(-1.0, 0.36, -0.6, 0.9, WHITE)
    pen.box(-0.95, 0.7, -0.62, 0.8, (120, 170, 200))
    pen.box(-0.9, 0.9, -0.74, 1.1, darker(colour, 0.2))
    crates: tuple[Rgb, ...] = ((206, 90, 60), (70, 130, 170), (226, 180, 80), (90, 150, 110))
    for k in range(10):
        x, y = -0.5 + (k % 5) * 0.27, 0.36 + (k // 5) * 0.18
        pen.box(x, y, x + 0.25, y + 0.165, crates[(k * 3 + k // 5) % 4])
    pen.curve([(-1.15, 0.4), (0.0, 0.36), (1.2, 0.46), (0.95, 0.0), (-1.0, 0.0)], colour)
    pen.box(-1.02, -0.02, 0.95, 0.1, (150, 52, 48))
    _wake(pen, 1.2)


def rowboat(pen: Pen, pose: str, colour: Rgb) -> None:
    """A rowing boat with its oars out."""
    pen.curve([(-0.95, 0.56), (0.0, 0.36), (0.95, 0.56), (0.6, 0.02), (-0.6, 0.02)], darker(colour, 0.35))
    pen.limb([(-0.3, 0.44), (0.3, 0.44)], 0.07, PLANK)
    pen.curve([(-0.98, 0.56), (0.0, 0.3), (0.98, 0.56), (0.62, 0.0), (-0.62, 0.0)], colour)
    pen.limb([(-0.8, 0.44), (0.0, 0.26), (0.8, 0.44)], 0.04, lighter(colour, 0.4))
    for side in (-1, 1):
        pen.limb([(0.12 * side, 0.62), (0.72 * side, 0.02)], 0.045, PLANK)
        pen.oval(0.76 * side, -0.02, 0.1, 0.05, lighter(PLANK, 0.2), turn=-40 * side)
    _wake(pen, 1.0)


def balloon(pen: Pen, pose: str, colour: Rgb) -> None:
    """A hot-air balloon with stripes."""
    for x in (-0.09, 0.09):
        pen.line([(x, 0.14), (x * 3.2, 0.42)], 0.01, BLACK)
    pen.box(-0.11, 0.0, 0.11, 0.15, PLANK, round_by=0.02)
    outline = [(-0.12, 0.34), (-0.42, 0.72), (-0.34, 1.06), (0.0, 1.2), (0.34, 1.06), (0.42, 0.72), (0.12, 0.34)]
    pen.curve(outline, colour)
    pen.curve([(x * 0.62, y) for x, y in outline], lighter(colour, 0.5))
    pen.curve([(x * 0.26, y) for x, y in outline], colour)
    pen.faint(0.2).curve([(0.3, 0.5), (0.4, 0.72), (0.33, 1.04), (0.2, 1.12), (0.3, 0.8)], BLACK)


def plane(pen: Pen, pose: str, colour: Rgb) -> None:
    """An airliner that climbs."""
    pen.shape([(-0.05, 0.5), (-0.34, 0.9), (-0.18, 0.92), (0.2, 0.52)], (180, 186, 194))
    pen.shape([(-0.86, 0.5), (-1.02, 0.92), (-0.84, 0.92), (-0.6, 0.56)], colour)
    pen.curve([(-1.0, 0.52), (-0.4, 0.62), (0.7, 0.62), (1.02, 0.48), (0.7, 0.38), (-0.6, 0.38)], WHITE)
    pen.curve([(-0.9, 0.46), (0.0, 0.44), (0.96, 0.46), (0.7, 0.38), (-0.5, 0.38)], colour)
    for k in range(8):
        pen.disc(-0.5 + 0.14 * k, 0.53, 0.025, (90, 130, 170))
    pen.shape([(0.78, 0.5), (0.8, 0.58), (0.92, 0.54)], (60, 80, 110))
    pen.shape([(0.02, 0.46), (-0.5, 0.06), (-0.3, 0.06), (0.3, 0.44)], (206, 212, 220))
    pen.oval(-0.1, 0.24, 0.13, 0.05, (150, 156, 166))


def _wake(pen: Pen, half: float) -> None:
    for dy, share in ((0.0, 0.45), (-0.07, 0.25)):
        pen.faint(share).oval(0, dy, half * 1.1, 0.035, WHITE)


AFLOAT: dict[str, Callable[[Pen, str, Rgb], None]] = {
    "sailboat": sailboat,
    "ship": ship,
    "rowboat": rowboat,
    "balloon": balloon,
    "plane": plane,
}
