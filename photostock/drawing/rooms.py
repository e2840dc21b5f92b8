"""The places indoors: a wall, and a floor or a table before it."""

from __future__ import annotations

from collections.abc import Callable

from photostock.drawing.colours import WHITE, Rgb, darker, lighter, mix
from photostock.drawing.view import View

WOOD: Rgb = (150, 100, 62)
DAY: Rgb = (176, 212, 232)
NIGHT: Rgb = (30, 38, 74)


def room(view: View) -> None:
    """A living room with a window, a picture and a wooden floor."""
    _wall(view)
    _window(view, view.width * 0.22, view.horizon + 0.16, 0.3)
    _picture(view, view.width * 0.78, view.horizon + 0.3)
    _planks(view, view.palette.ground)
    view.pen.oval(view.width / 2, view.horizon * 0.4, view.width * 0.4, view.horizon * 0.3, (190, 120, 100))
    view.pen.oval(view.width / 2, view.horizon * 0.4, view.width * 0.34, view.horizon * 0.23, (214, 160, 130))


def kitchen(view: View) -> None:
    """Tiles, shelves and a worktop."""
    _wall(view)
    line = darker(view.palette.low, 0.1)
    for k in range(1, int(view.width / 0.13) + 1):
        view.bare.line([(k * 0.13, view.horizon), (k * 0.13, view.height)], 0.004, line)
    for k in range(1, int((view.height - view.horizon) / 0.13) + 1):
        y = view.horizon + k * 0.13
        view.bare.line([(0, y), (view.width, y)], 0.004, line)
    shelf = view.height - 0.2
    view.pen.box(view.width * 0.06, shelf, view.width * 0.94, shelf + 0.025, WOOD)
    for k in range(7):
        colour = view.chance.choice(((190, 90, 70), (90, 130, 140), WHITE, (220, 180, 90)))
        x = view.width * (0.1 + 0.12 * k)
        view.pen.box(x, shelf + 0.025, x + 0.07, shelf + view.chance.uniform(0.08, 0.13), colour, round_by=0.015)
    _table_top(view, view.palette.ground)


def cafe(view: View) -> None:
    """Dark walls, hanging lamps, a blackboard."""
    _wall(view)
    board = view.width * 0.68
    view.pen.box(board, view.horizon + 0.2, board + 0.34, view.horizon + 0.44, (50, 56, 56))
    for k in range(3):
        y = view.horizon + 0.38 - k * 0.06
        view.bare.faint(0.6).line([(board + 0.04, y), (board + 0.3 - 0.05 * k, y)], 0.008, WHITE)
    for k in range(3):
        x = view.width * (0.14 + 0.24 * k)
        y = view.height - 0.22
        view.pen.line([(x, view.height), (x, y)], 0.006, (30, 28, 28))
        view.bare.glow(x, y - 0.03, 0.2, (255, 220, 150), share=0.5)
        view.pen.shape([(x - 0.07, y - 0.03), (x - 0.02, y + 0.03), (x + 0.02, y + 0.03), (x + 0.07, y - 0.03)], WOOD)
        view.bare.disc(x, y - 0.035, 0.022, (255, 232, 170))
    _planks(view, view.palette.ground)


def table(view: View) -> None:
    """A table top seen from a little above."""
    _wall(view)
    _table_top(view, view.palette.ground)


def studio(view: View) -> None:
    """A plain backdrop that bends into the floor."""
    view.gradient(view.palette.high, lighter(view.palette.high, 0.12), view.height, view.horizon)
    view.gradient(lighter(view.palette.high, 0.12), darker(view.palette.high, 0.06), view.horizon, 0)


def _wall(view: View) -> None:
    view.gradient(view.palette.high, view.palette.low, view.height, view.horizon)
    light = view.palette.light
    if light.lamps:
        view.bare.glow(view.width * 0.7, view.height * 0.72, 0.75, light.disc, share=0.35)


def _window(view: View, x: float, y: float, size: float) -> None:
    glass = NIGHT if view.palette.light.lamps else DAY
    view.pen.box(x - size / 2 - 0.02, y - 0.02, x + size / 2 + 0.02, y + size * 1.2 + 0.02, WHITE)
    view.bare.box(x - size / 2, y, x + size / 2, y + size * 1.2, glass)
    if glass == DAY:
        view.bare.oval(x + size * 0.2, y, size * 0.28, size * 0.2, (120, 170, 110))
    else:
        view.bare.disc(x + size * 0.25, y + size * 0.9, size * 0.09, (240, 236, 210))
    view.pen.box(x - 0.008, y, x + 0.008, y + size * 1.2, WHITE)
    view.pen.box(x - size / 2, y + size * 0.6 - 0.008, x + size / 2, y + size * 0.6 + 0.008, WHITE)


def _picture(view: View, x: float, y: float) -> None:
    view.pen.box(x - 0.13, y - 0.1, x + 0.13, y + 0.1, darker(WOOD, 0.3))
    view.pen.box(x - 0.11, y - 0.08, x + 0.11, y + 0.08, (236, 228, 210))
    view.pen.shape(
        [(x - 0.11, y - 0.08), (x - 0.03, y + 0.03), (x + 0.03, y - 0.03), (x + 0.11, y - 0.08)], (90, 130, 140)
    )
    view.pen.disc(x + 0.05, y + 0.04, 0.02, (236, 150, 80))


def _planks(view: View, colour: Rgb) -> None:
    lit = view.palette.lit(colour)
    view.gradient(darker(lit, 0.12), lit, view.horizon, 0)
    for k in range(1, 6):
        y = view.horizon * (1 - (k / 6) ** 0.8)
        view.bare.line([(0, y), (view.width, y)], 0.004, darker(lit, 0.18))
    view.bare.box(0, view.horizon, view.width, view.horizon + 0.025, mix(view.palette.low, WHITE, 0.35))


def _table_top(view: View, colour: Rgb) -> None:
    lit = view.palette.lit(colour)
    view.gradient(darker(lit, 0.1), lighter(lit, 0.08), view.horizon, 0)
    for _ in range(16):
        x, y = view.chance.uniform(0, view.width), view.horizon * view.chance.random()
        view.bare.faint(0.5).oval(x, y, view.chance.uniform(0.1, 0.3), 0.003, darker(lit, 0.16))
    view.bare.box(0, view.horizon - 0.012, view.width, view.horizon, lighter(lit, 0.18))


ROOMS: dict[str, Callable[[View], None]] = {
    "room": room,
    "kitchen": kitchen,
    "cafe": cafe,
    "table": table,
    "studio": studio,
}
