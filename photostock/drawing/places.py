"""The places out of doors, each from the horizon to the foreground."""

from __future__ import annotations

from collections.abc import Callable

from photostock.drawing.colours import WHITE, Rgb, darker, lighter, mix
from photostock.drawing.land import TRUNK, fir, ground, house, peaks, ridge, round_tree, skyline, specks, tufts, water
from photostock.drawing.pen import Pen
from photostock.drawing.view import View

ROCK: Rgb = (118, 122, 140)
SNOW: Rgb = (238, 242, 247)
FLOWERS: tuple[Rgb, ...] = ((240, 210, 70), (236, 110, 130), (250, 250, 245), (170, 110, 200))
LITTER: tuple[Rgb, ...] = ((214, 110, 40), (190, 70, 40), (226, 170, 60))


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
    """A stream that winds towards the viewer through grass."""
    meadow_colour = _grass(view)
    ridge(view, view.horizon, 0.16, view.palette.far(view.palette.leaf, 0.4))
    ground(view, meadow_colour)
    w, h = view.width, view.horizon
    outline = [(0.52 * w, h), (0.56 * w, h), (0.5 * w, h * 0.7), (0.8 * w, h * 0.4), (1.1 * w, -0.1), (0.3 * w, -0.1)]
    stream = mix(view.palette.lit(view.palette.ground), view.palette.low, 0.3)
    view.bare.curve([*outline, (0.45 * w, h * 0.45), (0.4 * w, h * 0.7)], stream)
    tufts(view, darker(meadow_colour, 0.2), 40)


def mountains(view: View) -> None:
    """Two chains of peaks above an alpine meadow."""
    rise = (view.height - view.horizon) * 0.6
    peaks(view, view.horizon, rise, view.palette.far(ROCK, 0.5))
    peaks(view, view.horizon, rise * 0.6, view.palette.far(ROCK, 0.25), snow=view.scene.season == "winter")
    ridge(view, view.horizon * 0.94, 0.05, view.palette.far(view.palette.leaf, 0.2), waves=3)
    ground(view, view.palette.ground, haze=0.15)
    _growth(view)


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
    _growth(view)


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
    _growth(view, flowers=70)


def hills(view: View) -> None:
    """Hills behind hills."""
    palette = view.palette
    for step, (haze, rise) in enumerate(((0.62, 0.3), (0.45, 0.2), (0.28, 0.11))):
        ridge(view, view.horizon * (1 - 0.08 * step), rise, palette.far(palette.ground, haze), waves=1.2 + step * 0.5)
    view.gradient(palette.far(palette.ground, 0.2), palette.lit(palette.ground), view.horizon * 0.84, 0)
    _growth(view)


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
    _growth(view, flowers=20)


def garden(view: View) -> None:
    """A hedge, a lawn and flower beds."""
    leaf = view.palette.far(darker(view.palette.leaf, 0.15), 0.12)
    for x in range(int(view.width / 0.12) + 2):
        view.bare.disc(x * 0.12, view.horizon + 0.05, 0.1 + view.chance.uniform(0, 0.03), leaf)
    ground(view, view.palette.ground, haze=0.1)
    if view.scene.season != "winter":
        specks(view, FLOWERS, 130, 0.017, below=1.05)
    _growth(view)


def street(view: View) -> None:
    """A road between houses, with the skyline behind."""
    palette = view.palette
    skyline(view, view.horizon, (view.height - view.horizon) * 0.85, palette.far((120, 128, 146), 0.45))
    skyline(view, view.horizon, (view.height - view.horizon) * 0.5, palette.lit((156, 134, 124)))
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
    _growth(view)


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


def _row_of_trees(view: View, base: float, size: float, count: int) -> None:
    bare = view.scene.season == "winter"
    for k in range(count):
        x = view.width * (k + view.chance.random()) / count
        round_tree(view.pen.inside(x, base, size * view.chance.uniform(0.8, 1.2)), view.palette.leaf, bare=bare)


def _growth(view: View, *, flowers: int = 0) -> None:
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
