"""A pen that draws in a subject's own coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from photostock.drawing.canvas import Canvas, Paint
from photostock.drawing.colours import Rgb

Point = tuple[float, float]
CURVE_STEPS = 6  # straight pieces between two points of a smooth outline


class Pen:
    """Origin at the subject's foot, x to the right, y upwards, one unit the subject's height."""

    def __init__(
        self,
        canvas: Canvas,
        *,
        x: float,
        y: float,
        unit: float,
        flip: bool = False,
        lit: Callable[[Rgb], Paint],
    ) -> None:
        self._canvas, self._x, self._y, self._unit, self._flip, self._lit = canvas, x, y, unit, flip, lit

    def inside(self, x: float, y: float, scale: float, *, flip: bool = False) -> Pen:
        """A pen for a part with its foot at (x, y) and another scale."""
        (px, py) = self._pixel((x, y))
        mirrored = self._flip != flip
        return Pen(self._canvas, x=px, y=py, unit=self._unit * scale, flip=mirrored, lit=self._lit)

    def unlit(self) -> Pen:
        """The same pen for what shines by itself, such as a window at night."""
        return self._with(lambda colour: colour)

    def faint(self, share: float) -> Pen:
        """The same pen for what one sees through; `share` 0 is invisible, 1 is opaque."""
        return self._with(lambda colour: (*self._lit(colour)[:3], round(255 * share)))

    def _with(self, lit: Callable[[Rgb], Paint]) -> Pen:
        return Pen(self._canvas, x=self._x, y=self._y, unit=self._unit, flip=self._flip, lit=lit)

    def shape(self, points: Sequence[Point], colour: Rgb) -> None:
        """A polygon."""
        paint = self._lit(colour)
        self._canvas.brush(paint).polygon([self._pixel(p) for p in points], fill=paint)

    def curve(self, points: Sequence[Point], colour: Rgb) -> None:
        """A closed smooth outline through the points (Catmull-Rom)."""
        self.shape(_smooth(points), colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Rgb, *, turn: float = 0.0) -> None:
        """An ellipse around (x, y), turned by degrees against the clock."""
        if turn:
            self.shape(_turned_oval(x, y, rx, ry, math.radians(turn)), colour)
            return
        (px, py), u, paint = self._pixel((x, y)), self._unit, self._lit(colour)
        self._canvas.brush(paint).ellipse((px - rx * u, py - ry * u, px + rx * u, py + ry * u), fill=paint)

    def disc(self, x: float, y: float, r: float, colour: Rgb) -> None:
        """A filled circle."""
        self.oval(x, y, r, r, colour)

    def ring(self, x: float, y: float, r: float, width: float, colour: Rgb) -> None:
        """A circle as a line."""
        (px, py), u, paint = self._pixel((x, y)), self._unit, self._lit(colour)
        box = (px - r * u, py - r * u, px + r * u, py + r * u)
        self._canvas.brush(paint).ellipse(box, outline=paint, width=max(1, round(width * u)))

    def glow(self, x: float, y: float, r: float, colour: Rgb, *, share: float = 0.5) -> None:
        """Light that fades out towards the radius; it is never tinted by the scene."""
        px, py = self._pixel((x, y))
        self._canvas.glow(px, py, r * self._unit, colour, share)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb, *, round_by: float = 0.0) -> None:
        """An upright rectangle, with rounded corners if wanted."""
        (ax, ay), (bx, by) = self._pixel((x0, y0)), self._pixel((x1, y1))
        corners = (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
        paint = self._lit(colour)
        if round_by:
            self._canvas.brush(paint).rounded_rectangle(corners, radius=round_by * self._unit, fill=paint)
        else:
            self._canvas.brush(paint).rectangle(corners, fill=paint)

    def limb(self, points: Sequence[Point], width: float, colour: Rgb, *, end: float | None = None) -> None:
        """A rounded stroke along the points that narrows from `width` to `end`."""
        last = width if end is None else end
        steps = max(1, len(points) - 1)
        widths = [width + (last - width) * i / steps for i in range(len(points))]
        for (a, b), (wa, wb) in zip(pairwise(points), pairwise(widths), strict=True):
            self.shape(_tapered(a, b, wa / 2, wb / 2), colour)
        for (x, y), w in zip(points, widths, strict=True):
            self.disc(x, y, w / 2, colour)

    def line(self, points: Sequence[Point], width: float, colour: Rgb) -> None:
        """A plain stroke, for what is thin."""
        pixels, paint = [self._pixel(p) for p in points], self._lit(colour)
        self._canvas.brush(paint).line(pixels, fill=paint, width=max(1, round(width * self._unit)))

    def _pixel(self, point: Point) -> Point:
        x = -point[0] if self._flip else point[0]
        return self._x + x * self._unit, self._y - point[1] * self._unit


def _smooth(points: Sequence[Point]) -> list[Point]:
    outline: list[Point] = []
    count = len(points)
    for i in range(count):
        p0, p1, p2, p3 = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        outline += [_between(p0, p1, p2, p3, step / CURVE_STEPS) for step in range(CURVE_STEPS)]
    return outline


def _between(p0: Point, p1: Point, p2: Point, p3: Point, t: float) -> Point:
    a, b, c, d = -t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2
    x = (a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0]) / 2
    y = (a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]) / 2
    return x, y


def _turned_oval(x: float, y: float, rx: float, ry: float, angle: float) -> list[Point]:
    cos, sin = math.cos(angle), math.sin(angle)
    corners = [(rx * math.cos(i * math.pi / 14), ry * math.sin(i * math.pi / 14)) for i in range(28)]
    return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in corners]


def _tapered(a: Point, b: Point, ra: float, rb: float) -> list[Point]:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy) or 1.0
    nx, ny = -dy / length, dx / length
    return [
        (a[0] + nx * ra, a[1] + ny * ra),
        (b[0] + nx * rb, b[1] + ny * rb),
        (b[0] - nx * rb, b[1] - ny * rb),
        (a[0] - nx * ra, a[1] - ny * ra),
    ]
