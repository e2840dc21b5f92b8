"""Pieces of land, water and town that the places are put together from."""

from __future__ import annotations

import math

from photostock.drawing.colours import WHITE, Rgb, darker, lighter, mix
from photostock.drawing.pen import Pen
from photostock.drawing.view import View

WINDOW_LIGHT: Rgb = (255, 214, 120)
TRUNK: Rgb = (104, 76, 54)
FLOWERS: tuple[Rgb, ...] = ((240, 210, 70), (236, 110, 130), (250, 250, 245), (170, 110, 200))
LITTER: tuple[Rgb, ...] = ((214, 110, 40), (190, 70, 40), (226, 170, 60))


def ground(view: View, colour: Rgb, *, haze: float = 0.3) -> None:
    """The plain from the horizon to the viewer's feet."""
    near, far = view.palette.lit(colour), view.palette.far(colour, haze)
    view.gradient(far, near, view.horizon, 0.0)


def ridge(view: View, base: float, rise: float, colour: Rgb, *, waves: float = 1.6) -> None:
    """A rolling line of hills that stand on `base`."""
    shift, other = view.chance.uniform(0, 6.3), view.chance.uniform(0, 6.3)
    points = [(0.0, base), (view.width, base)]
    for step in range(24, -1, -1):
        x = step / 24 * view.width
        wave = math.sin(x * waves * 2 + shift) * 0.6 + math.sin(x * waves * 5 + other) * 0.25
        points.append((x, base + rise * (0.6 + 0.5 * wave)))
    view.bare.shape(points, colour)


def peaks(view: View, base: float, rise: float, colour: Rgb, *, snow: bool = True) -> None:
    """A chain of pointed mountains with snow on the tops."""
    x = -0.2
    while x < view.width + 0.2:
        half, top = view.chance.uniform(0.25, 0.45), rise * view.chance.uniform(0.6, 1.0)
        lean = view.chance.uniform(-0.08, 0.08)
        peak = (x + lean, base + top)
        view.bare.shape([(x - half, base), peak, (x + half, base)], colour)
        view.bare.shape([(x + half * 0.25, base), peak, (x + half, base)], darker(colour, 0.14))
        if snow:
            _snowcap(view.bare, peak, half / top, top * 0.34, mix(colour, WHITE, 0.8))
        x += half * view.chance.uniform(0.8, 1.2)


def _snowcap(pen: Pen, peak: tuple[float, float], slope: float, depth: float, colour: Rgb) -> None:
    x, y = peak
    left, right = x - slope * depth * 0.8, x + slope * depth * 0.8
    teeth = [(right - (right - left) * k / 6, y - depth * (1.0 if k % 2 else 0.68)) for k in range(7)]
    pen.shape([peak, (right, y - depth * 0.8), *teeth, (left, y - depth * 0.8)], colour)


def skyline(view: View, base: float, rise: float, colour: Rgb, *, windows: bool = True) -> None:
    """A row of houses and towers with windows, some of them lit after dark."""
    x = -0.02
    lamps = view.palette.light.lamps
    while x < view.width:
        wide, tall = view.chance.uniform(0.09, 0.17), rise * view.chance.uniform(0.4, 1.0)
        face = mix(colour, view.chance.choice((WHITE, (190, 130, 110), (90, 100, 130))), view.chance.uniform(0.0, 0.22))
        view.bare.box(x, base, x + wide, base + tall, face)
        if windows:
            _windows(view, x, base, wide, tall, face, lamps)
        x += wide


def _windows(view: View, x: float, base: float, wide: float, tall: float, face: Rgb, lamps: bool) -> None:
    for row in range(1, int(tall / 0.045)):
        for column in range(1, int(wide / 0.035)):
            lit = lamps and view.chance.random() < 0.5
            left, low = x + column * 0.035 - 0.012, base + row * 0.045
            view.bare.box(left, low, left + 0.016, low + 0.022, WINDOW_LIGHT if lit else darker(face, 0.28))


def water(view: View, top: float, colour: Rgb, *, bottom: float = 0.0) -> None:
    """A sheet of water that mirrors the sky, with ripples."""
    palette = view.palette
    lit = palette.lit(colour)
    view.gradient(mix(lit, palette.low, 0.5), mix(lit, palette.high, 0.15), top, bottom)
    for _ in range(26):
        y = top - (top - bottom) * view.chance.random() ** 1.4
        half = 0.02 + 0.09 * (top - y) / max(top - bottom, 0.01)
        x = view.chance.uniform(0, view.width)
        view.bare.faint(0.35).oval(x, y, half, 0.0028, lighter(palette.low, 0.35))


def round_tree(pen: Pen, leaf: Rgb, *, bare: bool = False) -> None:
    """A tree with a round crown, or its branches in winter."""
    pen.limb([(0, 0), (0.01, 0.5)], 0.1, TRUNK, end=0.06)
    if bare:
        for dx, dy in ((-0.26, 0.86), (-0.12, 0.98), (0.05, 1.0), (0.2, 0.92), (0.3, 0.78)):
            pen.limb([(0, 0.42), (dx * 0.5, 0.62), (dx, dy)], 0.05, TRUNK, end=0.012)
        return
    for x, y, r in ((-0.2, 0.58, 0.2), (0.2, 0.6, 0.2), (0.0, 0.76, 0.26)):
        pen.disc(x, y, r, darker(leaf, 0.16))
    for x, y, r in ((-0.16, 0.64, 0.17), (0.14, 0.66, 0.16), (-0.02, 0.8, 0.2)):
        pen.disc(x, y, r, leaf)
    pen.disc(-0.08, 0.84, 0.1, lighter(leaf, 0.15))


def fir(pen: Pen, leaf: Rgb, *, snowy: bool = False) -> None:
    """A conifer of three skirts."""
    pen.box(-0.03, 0, 0.03, 0.2, TRUNK)
    for low, wide in ((0.12, 0.27), (0.36, 0.22), (0.6, 0.16)):
        pen.shape([(-wide, low), (0, low + 0.4), (wide, low)], leaf)
        pen.shape([(0, low), (0, low + 0.4), (wide, low)], darker(leaf, 0.15))
        if snowy:
            pen.shape([(-wide * 0.45, low + 0.22), (0, low + 0.4), (wide * 0.45, low + 0.22), (0, low + 0.26)], WHITE)


def house(pen: Pen, wall: Rgb, roof: Rgb, *, lamps: bool) -> None:
    """A small house with a gable, a door and two windows."""
    pen.box(-0.5, 0, 0.5, 0.58, wall)
    pen.shape([(-0.6, 0.56), (0, 1.0), (0.6, 0.56)], roof)
    pen.box(0.24, 0.72, 0.36, 0.98, darker(roof, 0.2))
    pen.box(-0.09, 0, 0.11, 0.34, darker(wall, 0.5))
    glass = pen.unlit() if lamps else pen
    for x in (-0.34, 0.24):
        pen.box(x - 0.02, 0.2, x + 0.16, 0.44, WHITE)
        glass.box(x, 0.22, x + 0.14, 0.42, WINDOW_LIGHT if lamps else (120, 160, 190))


def tufts(view: View, colour: Rgb, count: int, *, below: float = 0.9) -> None:
    """Blades of grass, larger towards the viewer."""
    for _ in range(count):
        y = view.horizon * below * view.chance.random()
        size = 0.012 + 0.03 * (1 - y / view.horizon)
        x = view.chance.uniform(0, view.width)
        for lean in (-0.6, 0.0, 0.5):
            view.pen.line([(x, y), (x + lean * size, y + size)], 0.004, colour)


def specks(view: View, colours: tuple[Rgb, ...], count: int, size: float, *, below: float = 0.9) -> None:
    """Flowers, leaves or stones strewn over the ground."""
    for _ in range(count):
        y = view.horizon * below * view.chance.random()
        near = 1 - 0.7 * y / view.horizon
        x = view.chance.uniform(0, view.width)
        view.pen.oval(x, y, size * near, size * near * 0.7, view.chance.choice(colours))


def growth(view: View, *, flowers: int = 0) -> None:
    """What the season strews over the ground."""
    season, colour = view.scene.season, view.palette.ground
    if season == "winter":
        specks(view, (WHITE, darker(colour, 0.08)), 40, 0.02)
        return
    tufts(view, darker(colour, 0.18), 50)
    if season == "autumn":
        specks(view, LITTER, 60, 0.012)
    else:
        specks(view, FLOWERS, flowers + (40 if season == "spring" else 0), 0.01)
