"""The places out of doors where people live and work, each from the horizon to the foreground."""

from __future__ import annotations

from photostock.drawing.colours import WHITE, darker
from photostock.drawing.land import FLOWERS, ground, growth, house, ridge, round_tree, skyline, specks, water
from photostock.drawing.palette import FACADE
from photostock.drawing.view import View


def park(view: View) -> None:
    """Lawn, trees, a path, and the town behind."""
    skyline(view, view.horizon, 0.22, view.palette.far((130, 136, 150), 0.6), windows=False)
    _row_of_trees(view, view.horizon, 0.24, 9)
    ground(view, view.palette.ground)
    w, h = view.width, view.horizon
    path = view.palette.lit((214, 198, 170))
    view.bare.curve(
        [(0.6 * w, h * 0.95), (0.63 * w, h * 0.95), (0.7 * w, h * 0.5), (0.6 * w, -0.1), (0.2 * w, -0.1)], path
    )
    growth(view, flowers=20)


def garden(view: View) -> None:
    """A hedge, a lawn and flower beds."""
    leaf = view.palette.far(darker(view.palette.leaf, 0.15), 0.12)
    for x in range(int(view.width / 0.12) + 2):
        view.bare.disc(x * 0.12, view.horizon + 0.05, 0.1 + view.chance.uniform(0, 0.03), leaf)
    ground(view, view.palette.ground, haze=0.1)
    if view.scene.season != "winter":
        specks(view, FLOWERS, 130, 0.017, below=1.05)
    growth(view)


def street(view: View) -> None:
    """A road between houses, with the skyline behind."""
    palette = view.palette
    skyline(view, view.horizon, (view.height - view.horizon) * 0.85, palette.far((120, 128, 146), 0.45))
    skyline(view, view.horizon, (view.height - view.horizon) * 0.5, palette.lit(FACADE))
    ground(view, palette.ground, haze=0.1)
    view.bare.box(0, view.horizon * 0.86, view.width, view.horizon, palette.lit((190, 186, 180)))
    for x in range(int(view.width / 0.2) + 1):
        view.pen.box(x * 0.2, view.horizon * 0.42, x * 0.2 + 0.1, view.horizon * 0.45, (236, 230, 200))


def village(view: View) -> None:
    """A line of small houses under a hill."""
    palette = view.palette
    ridge(view, view.horizon, 0.3, palette.far(palette.leaf, 0.5))
    ground(view, palette.ground)
    x = 0.05
    while x < view.width:
        size = view.chance.uniform(0.17, 0.24)
        wall = view.chance.choice(((238, 226, 204), (226, 190, 160), (206, 214, 214)))
        roof = view.chance.choice(((176, 84, 62), (128, 84, 70), (110, 104, 116)))
        house(view.pen.inside(x + size * 0.3, view.horizon * 0.97, size), wall, roof, lamps=palette.light.lamps)
        x += size * 1.15
    growth(view)


def harbour(view: View) -> None:
    """Masts and warehouses behind a basin, a quay in front."""
    palette = view.palette
    skyline(view, view.horizon, 0.2, palette.lit((170, 110, 90)))
    water(view, view.horizon, (48, 110, 140), bottom=view.horizon * 0.4)
    for _ in range(6):
        x, tall = view.chance.uniform(0, view.width), view.chance.uniform(0.16, 0.28)
        y = view.horizon * view.chance.uniform(0.8, 0.92)
        view.pen.limb([(x, y), (x, y + tall)], 0.007, (240, 236, 226))
        view.pen.curve([(x - 0.09, y + 0.015), (x + 0.1, y + 0.02), (x + 0.06, y - 0.02), (x - 0.06, y - 0.02)], WHITE)
    view.gradient(palette.far(palette.ground, 0.1), palette.lit(palette.ground), view.horizon * 0.42, 0)
    view.pen.box(0, view.horizon * 0.38, view.width, view.horizon * 0.42, darker(palette.ground, 0.3))


def farm(view: View) -> None:
    """Furrowed fields and a red barn."""
    palette = view.palette
    ridge(view, view.horizon, 0.12, palette.far(palette.leaf, 0.5))
    ground(view, palette.ground)
    barn = view.pen.inside(view.width * 0.84, view.horizon * 0.95, 0.24)
    house(barn, (168, 58, 50), (112, 70, 60), lamps=palette.light.lamps)
    for k in range(-6, 16):
        far, near = view.width * k / 9, view.width * (0.5 + (k / 9 - 0.5) * 3)
        furrow = palette.lit(darker(palette.ground, 0.1))
        view.bare.faint(0.6).shape([(far, view.horizon * 0.93), (far + 0.01, view.horizon * 0.93), (near, 0)], furrow)


def _row_of_trees(view: View, base: float, size: float, count: int) -> None:
    bare = view.scene.season == "winter"
    for k in range(count):
        x = view.width * (k + view.chance.random()) / count
        round_tree(view.pen.inside(x, base, size * view.chance.uniform(0.8, 1.2)), view.palette.leaf, bare=bare)
