"""The wild places, each from the horizon to the foreground, and the list of all places out of doors."""

from __future__ import annotations

import math
from collections.abc import Callable

from photostock.drawing.colours import WHITE, Rgb, darker, lighter, mix
from photostock.drawing.land import TRUNK, fir, ground, growth, peaks, ridge, specks, tufts, water
from photostock.drawing.pen import Pen
from photostock.drawing.settled import farm, garden, harbour, park, street, village
from photostock.drawing.view import View

ROCK: Rgb = (118, 122, 140)
SNOW: Rgb = (238, 242, 247)


def beach(view: View) -> None:
    """Sea in the distance, sand before it."""
    shore = view.horizon * 0.62
    water(view, view.horizon, (44, 132, 170), bottom=shore)
    sand = view.palette.ground
    view.gradient(view.palette.far(sand, 0.12), view.palette.lit(sand), shore, 0)
    for x in range(9):
        view.bare.oval(view.width * x / 8, shore, view.width * 0.09, 0.012, mix(view.palette.lit(WHITE), WHITE, 0.3))
    specks(view, (darker(sand, 0.12), lighter(sand, 0.3)), 60, 0.006, below=0.5)


def sea(view: View) -> None:
    """Nothing but water, with waves."""
    water(view, view.horizon, view.palette.ground)
    crest = lighter(view.palette.lit(view.palette.ground), 0.35)
    for _ in range(14):
        y = view.horizon * 0.9 * view.chance.random()
        x, half = view.chance.uniform(0, view.width), 0.05 + 0.1 * (1 - y / view.horizon)
        view.bare.faint(0.5).curve([(x - half, y), (x, y + half * 0.22), (x + half, y), (x, y + half * 0.1)], crest)


def lake(view: View) -> None:
    """Hills, still water, a strip of grass in front."""
    ridge(view, view.horizon, 0.2, view.palette.far(ROCK, 0.5))
    ridge(view, view.horizon, 0.09, view.palette.far(view.palette.leaf, 0.3), waves=3)
    water(view, view.horizon, view.palette.ground, bottom=0)
    _bank(view, view.horizon * 0.3)


def river(view: View) -> None:
    """A stream that winds past between two green banks."""
    grass = _grass(view)
    ridge(view, view.horizon, 0.16, view.palette.far(view.palette.leaf, 0.4))
    ground(view, grass)
    tufts(view, darker(grass, 0.2), 40)
    far, near = ([(view.width * k / 12, _bend(view, k, depth)) for k in range(13)] for depth in (0.76, 0.34))
    shore = mix(view.palette.lit(grass), view.palette.lit(TRUNK), 0.35)
    view.bare.shape([*far, *((x, y - 0.012) for x, y in reversed(near))], shore)
    view.bare.shape([*far, *reversed(near)], mix(view.palette.lit(view.palette.ground), view.palette.low, 0.3))
    for _ in range(16):
        k = view.chance.uniform(1, 11)
        y = _bend(view, k, view.chance.uniform(0.4, 0.72))
        view.bare.faint(0.35).oval(view.width * k / 12, y, 0.05, 0.003, WHITE)


def _bend(view: View, k: float, depth: float) -> float:
    """How high the stream's edge is at the `k`th twelfth of the width."""
    side = 1 if view.scene.seed % 2 else -1
    return view.horizon * (depth + side * 0.012 * (k - 6) + 0.03 * math.sin(k * 0.9 + view.scene.seed))


def mountains(view: View) -> None:
    """Two chains of peaks above an alpine meadow."""
    rise = (view.height - view.horizon) * 0.6
    peaks(view, view.horizon, rise, view.palette.far(ROCK, 0.5))
    peaks(view, view.horizon, rise * 0.6, view.palette.far(ROCK, 0.25), snow=view.scene.season == "winter")
    ridge(view, view.horizon * 0.94, 0.05, view.palette.far(view.palette.leaf, 0.2), waves=3)
    ground(view, view.palette.ground, haze=0.15)
    growth(view)


def forest(view: View) -> None:
    """Rows of trees, the nearer the darker."""
    palette = view.palette
    for row, haze in enumerate((0.55, 0.35, 0.15)):
        base, size = view.horizon * (1.0 - 0.12 * row), 0.36 + 0.2 * row
        leaf = palette.far(darker(palette.leaf, 0.25 - 0.1 * row), haze)
        x = view.chance.uniform(-0.1, 0.0)
        while x < view.width + 0.1:
            tree = view.bare.inside(x, base, size * view.chance.uniform(0.8, 1.2))
            _forest_tree(view, tree, leaf, haze)
            x += size * view.chance.uniform(0.26, 0.5)
        if row == 0:
            ground(view, darker(palette.ground, 0.12), haze=0.2)
    growth(view)


def _forest_tree(view: View, pen: Pen, leaf: Rgb, haze: float) -> None:
    winter = view.scene.season == "winter"
    if winter or view.scene.seed % 2:
        fir(pen, leaf, snowy=winter and haze < 0.5)
        return
    pen.box(-0.025, 0, 0.025, 0.7, view.palette.far(TRUNK, haze))
    pen.oval(0, 0.75, 0.17, 0.3, leaf)
    pen.oval(-0.03, 0.8, 0.1, 0.2, lighter(leaf, 0.1))


def meadow(view: View) -> None:
    """Grass and flowers under a wide sky."""
    ridge(view, view.horizon, 0.08, view.palette.far(view.palette.leaf, 0.4), waves=2.5)
    ground(view, view.palette.ground)
    growth(view, flowers=70)


def hills(view: View) -> None:
    """Hills behind hills."""
    palette = view.palette
    for step, (haze, rise) in enumerate(((0.62, 0.3), (0.45, 0.2), (0.28, 0.11))):
        ridge(view, view.horizon * (1 - 0.08 * step), rise, palette.far(palette.ground, haze), waves=1.2 + step * 0.5)
    view.gradient(palette.far(palette.ground, 0.2), palette.lit(palette.ground), view.horizon * 0.84, 0)
    growth(view)


def desert(view: View) -> None:
    """Dune behind dune."""
    palette = view.palette
    for step, haze in enumerate((0.45, 0.25)):
        ridge(view, view.horizon * (1 - 0.2 * step), 0.17 - 0.03 * step, palette.far(palette.ground, haze))
    view.gradient(palette.far(palette.ground, 0.15), palette.lit(darker(palette.ground, 0.08)), view.horizon * 0.8, 0)
    for k in range(5):
        y = view.horizon * (0.6 - 0.12 * k)
        shade = palette.lit(darker(palette.ground, 0.12))
        view.bare.faint(0.5).oval(view.width * view.chance.random(), y, 0.35, 0.008, shade)


def snow(view: View) -> None:
    """A white slope with firs and mountains."""
    palette = view.palette
    peaks(view, view.horizon, 0.34, palette.far(ROCK, 0.55))
    for _ in range(10):
        tree = view.pen.inside(view.chance.uniform(0, view.width), view.horizon * 0.97, view.chance.uniform(0.14, 0.26))
        fir(tree, (60, 96, 84), snowy=True)
    ground(view, palette.ground, haze=0.2)
    specks(view, ((220, 228, 240), WHITE), 50, 0.02, below=0.8)


def savannah(view: View) -> None:
    """Dry grass and flat-topped acacias."""
    palette = view.palette
    ridge(view, view.horizon, 0.07, palette.far((150, 140, 110), 0.5))
    ground(view, palette.ground)
    for _ in range(4):
        pen = view.pen.inside(view.chance.uniform(0, view.width), view.horizon * 0.95, view.chance.uniform(0.16, 0.3))
        pen.limb([(0, 0), (0.03, 0.5), (-0.1, 0.8)], 0.06, TRUNK, end=0.03)
        pen.limb([(0.03, 0.5), (0.2, 0.8)], 0.04, TRUNK, end=0.02)
        pen.oval(0.02, 0.86, 0.5, 0.12, (110, 120, 56))
    tufts(view, darker(palette.ground, 0.2), 90)


def open_sky(view: View) -> None:
    """The land far below."""
    ridge(view, view.horizon * 0.6, 0.12, view.palette.far(view.palette.leaf, 0.6))
    ground(view, view.palette.ground, haze=0.4)


def reef(view: View) -> None:
    """Under water: light from above, sand and coral below."""
    for k in range(5):
        x = view.width * (k + view.chance.random()) / 5
        beam = [(x, view.height), (x + 0.08, view.height), (x + 0.3, view.horizon), (x + 0.1, view.horizon)]
        view.bare.faint(0.1).shape(beam, (190, 240, 250))
    ground(view, (176, 184, 150), haze=0.5)
    for _ in range(12):
        x, size = view.chance.uniform(0, view.width), view.chance.uniform(0.1, 0.24)
        colour = view.chance.choice(((226, 96, 110), (240, 150, 80), (150, 90, 170), (70, 160, 120)))
        coral = view.pen.inside(x, view.horizon * view.chance.uniform(0.1, 1.0), size)
        for lean in (-0.5, -0.2, 0.15, 0.45):
            coral.limb([(0, 0), (lean * 0.6, 0.5), (lean, 0.9)], 0.14, colour, end=0.08)
    for _ in range(24):
        x, y = view.chance.uniform(0, view.width), view.chance.uniform(view.horizon, view.height)
        view.bare.faint(0.5).ring(x, y, view.chance.uniform(0.006, 0.016), 0.003, WHITE)


def _grass(view: View) -> Rgb:
    return SNOW if view.scene.season == "winter" else lighter(view.palette.leaf, 0.2)


def _bank(view: View, top: float) -> None:
    colour = view.palette.lit(_grass(view))
    points = [(view.width * k / 12, top + view.chance.uniform(-0.015, 0.015)) for k in range(13)]
    view.bare.shape([(0, 0), *points, (view.width, 0)], colour)


PLACES: dict[str, Callable[[View], None]] = {
    "beach": beach,
    "sea": sea,
    "lake": lake,
    "river": river,
    "mountains": mountains,
    "forest": forest,
    "meadow": meadow,
    "hills": hills,
    "park": park,
    "garden": garden,
    "street": street,
    "village": village,
    "harbour": harbour,
    "desert": desert,
    "snow": snow,
    "savannah": savannah,
    "farm": farm,
    "sky": open_sky,
    "reef": reef,
}
