"""The second, smaller thing in a picture, which tells it from another picture of the same subject."""

from __future__ import annotations

import math
from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.land import WINDOW_LIGHT, round_tree
from photostock.drawing.nature import vase
from photostock.drawing.view import View

WOOD: Rgb = (140, 98, 62)
RAINBOW: tuple[Rgb, ...] = (
    (226, 70, 70),
    (240, 150, 60),
    (246, 220, 90),
    (90, 180, 100),
    (80, 130, 210),
    (140, 90, 180),
)


def bench(view: View, x: float, y: float) -> None:
    """A park bench."""
    pen = view.pen.inside(x, y, 0.24)
    for leg in (-0.6, 0.5):
        pen.box(leg, 0, leg + 0.1, 0.36, darker(WOOD, 0.4))
    for rail in (0.34, 0.56, 0.76):
        pen.box(-0.72, rail, 0.72, rail + 0.13, WOOD)


def tree(view: View, x: float, y: float) -> None:
    """A single tree."""
    round_tree(view.pen.inside(x, y, 0.5), view.palette.leaf, bare=view.scene.season == "winter")


def birds(view: View, x: float, y: float) -> None:
    """A flock, far up."""
    ink = view.palette.lit((50, 52, 66))
    for k in range(7):
        bx = x + 0.09 * ((k * 3) % 5 - 2) + 0.03 * k
        by = view.height * 0.84 - 0.035 * (k % 4)
        view.bare.line([(bx - 0.028, by + 0.014), (bx, by), (bx + 0.028, by + 0.014)], 0.006, ink)


def fence(view: View, x: float, y: float) -> None:
    """A wooden fence along the whole picture."""
    for rail in (0.05, 0.1):
        view.pen.box(0, y + rail, view.width, y + rail + 0.018, (226, 216, 198))
    for k in range(int(view.width / 0.14) + 1):
        view.pen.box(k * 0.14, y - 0.01, k * 0.14 + 0.026, y + 0.145, (240, 232, 216))


def lamp(view: View, x: float, y: float) -> None:
    """A street lamp, lit after dark; indoors a standard lamp."""
    lit = view.palette.light.lamps
    pen = view.pen.inside(x, y, 0.6)
    pen.box(-0.02, 0, 0.02, 0.86, (60, 64, 70))
    pen.box(-0.07, 0, 0.07, 0.04, (60, 64, 70))
    shine = pen.unlit() if lit else pen
    if lit:
        shine.glow(0, 0.92, 0.5, WINDOW_LIGHT)
    shine.shape([(-0.1, 0.84), (-0.06, 1.0), (0.06, 1.0), (0.1, 0.84)], WINDOW_LIGHT if lit else (230, 224, 206))


def flowers(view: View, x: float, y: float) -> None:
    """A bed of flowers in front."""
    for k in range(26):
        fx = x + 0.3 * (view.chance.random() - 0.5)
        fy = y * 0.75 + 0.1 * (view.chance.random() - 0.5)
        tone: Rgb = ((236, 100, 120), (250, 214, 80), (250, 250, 245), (170, 110, 200))[k % 4]
        view.pen.line([(fx, fy - 0.035), (fx, fy)], 0.006, (80, 140, 70))
        view.pen.disc(fx, fy, 0.017, tone)
        view.pen.disc(fx, fy, 0.007, (240, 180, 60))


def balloons(view: View, x: float, y: float) -> None:
    """Three toy balloons on strings."""
    knot = (x, y + 0.06)
    for dx, dy, tone in ((-0.07, 0.36, (226, 70, 70)), (0.02, 0.44, (246, 200, 70)), (0.1, 0.35, (70, 140, 200))):
        view.pen.line([knot, (x + dx, y + dy - 0.07)], 0.004, (90, 90, 96))
        view.pen.oval(x + dx, y + dy, 0.058, 0.072, tone)
        view.pen.faint(0.5).oval(x + dx - 0.02, y + dy + 0.025, 0.013, 0.02, WHITE)


def parasol(view: View, x: float, y: float) -> None:
    """A striped sunshade."""
    pen = view.pen.inside(x, y, 0.44)
    pen.limb([(0, 0), (0.04, 0.9)], 0.03, (236, 230, 220))
    for k in range(6):
        a, b = math.pi * k / 6, math.pi * (k + 1) / 6
        piece = [(0.04 + 0.55 * math.cos(t), 0.72 + 0.3 * math.sin(t)) for t in (a, (a + b) / 2, b)]
        pen.shape([(0.04, 0.72), *piece], (226, 74, 66) if k % 2 else WHITE)


def rocks(view: View, x: float, y: float) -> None:
    """Boulders."""
    for dx, dy, r in ((0.0, 0.0, 0.1), (0.13, -0.02, 0.07), (-0.11, -0.03, 0.06)):
        cx, cy = x + dx, y + dy
        outline = [
            (cx - r, cy),
            (cx - r * 0.7, cy + r * 0.8),
            (cx + r * 0.3, cy + r),
            (cx + r, cy + r * 0.2),
            (cx, cy - r * 0.2),
        ]
        view.pen.curve(outline, (120, 118, 122))
        view.pen.curve(
            [(cx - r * 0.5, cy + r * 0.4), (cx, cy + r * 0.85), (cx + r * 0.3, cy + r * 0.6)], (150, 148, 150)
        )


def boat(view: View, x: float, y: float) -> None:
    """A white sail on the horizon."""
    pen = view.pen.inside(x, view.horizon * 0.93, 0.14)
    pen.shape([(0, 0.16), (0, 1.0), (0.5, 0.2)], WHITE)
    pen.shape([(-0.05, 0.2), (-0.05, 0.8), (-0.36, 0.22)], (240, 226, 206))
    pen.shape([(-0.5, 0.14), (0.56, 0.14), (0.36, -0.02), (-0.34, -0.02)], (170, 64, 56))


def rainbow(view: View, x: float, y: float) -> None:
    """A bow from side to side."""
    for k, tone in enumerate(RAINBOW):
        r = min(0.62, view.height - view.horizon - 0.08) - 0.022 * k
        arc = [
            (view.width / 2 + r * 1.3 * math.cos(t * math.pi / 24), view.horizon + r * math.sin(t * math.pi / 24))
            for t in range(25)
        ]
        view.bare.faint(0.55).line(arc, 0.024, tone)


def plant(view: View, x: float, y: float) -> None:
    """A house plant in a pot."""
    pen = view.pen.inside(x, y, 0.4)
    for k in range(7):
        angle = math.radians(30 + 20 * k)
        tip = (0.36 * math.cos(angle), 0.34 + 0.56 * math.sin(angle))
        pen.curve(
            [(0, 0.3), (tip[0] * 0.6 - 0.05, tip[1] * 0.75), tip, (tip[0] * 0.6 + 0.06, tip[1] * 0.6)],
            (66, 130 + 8 * k, 76),
        )
    pen.shape([(-0.18, 0.32), (0.18, 0.32), (0.13, 0.0), (-0.13, 0.0)], (196, 106, 70))
    pen.box(-0.2, 0.28, 0.2, 0.36, (180, 92, 60))


def candle(view: View, x: float, y: float) -> None:
    """Two candles."""
    for dx, tall in ((0.0, 0.2), (0.09, 0.14)):
        view.pen.box(x + dx - 0.022, y, x + dx + 0.022, y + tall, (248, 238, 216), round_by=0.006)
        view.bare.glow(x + dx, y + tall + 0.03, 0.2, (255, 206, 110))
        view.bare.oval(x + dx, y + tall + 0.03, 0.012, 0.028, (255, 196, 70))
        view.bare.oval(x + dx, y + tall + 0.024, 0.006, 0.014, (255, 250, 220))


def bouquet(view: View, x: float, y: float) -> None:
    """A vase of flowers."""
    vase(view.pen.inside(x, y, 0.34), "", (120, 160, 180))


def newspaper(view: View, x: float, y: float) -> None:
    """A folded newspaper."""
    view.pen.shape(
        [(x - 0.13, y - 0.01), (x + 0.09, y - 0.03), (x + 0.15, y + 0.06), (x - 0.07, y + 0.075)], (238, 234, 222)
    )
    for k in range(4):
        view.pen.line(
            [(x - 0.08 + 0.012 * k, y + 0.016 * k), (x + 0.08 + 0.012 * k, y - 0.002 + 0.016 * k)],
            0.005,
            (130, 128, 124),
        )


def window_cat(view: View, x: float, y: float) -> None:
    """A black cat that looks on."""
    pen = view.pen.inside(x, y, 0.22)
    pen.curve([(-0.28, 0), (-0.24, 0.46), (0.0, 0.62), (0.24, 0.4), (0.26, 0)], BLACK)
    pen.disc(0.02, 0.72, 0.2, BLACK)
    for side in (-1, 1):
        pen.shape([(0.02 + 0.06 * side, 0.86), (0.02 + 0.17 * side, 1.06), (0.02 + 0.19 * side, 0.76)], BLACK)
        pen.disc(0.02 + 0.08 * side, 0.74, 0.035, (230, 210, 90))
    pen.limb([(0.24, 0.06), (0.46, 0.1), (0.5, 0.34)], 0.08, lighter(BLACK, 0.06))


EXTRAS: dict[str, Callable[[View, float, float], None]] = {
    "bench": bench,
    "tree": tree,
    "birds": birds,
    "fence": fence,
    "lamp": lamp,
    "flowers": flowers,
    "balloons": balloons,
    "parasol": parasol,
    "rocks": rocks,
    "boat": boat,
    "rainbow": rainbow,
    "plant": plant,
    "candle": candle,
    "bouquet": bouquet,
    "newspaper": newspaper,
    "cat": window_cat,
}
