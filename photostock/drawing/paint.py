"""Puts a picture together: backdrop, second thing, subject, weather, style."""

from __future__ import annotations

from PIL import Image

from photostock.drawing.cast import Role, draw_subject, role_of
from photostock.drawing.colours import BLACK
from photostock.drawing.extras import EXTRAS
from photostock.drawing.places import PLACES
from photostock.drawing.rooms import ROOMS
from photostock.drawing.sky import draw_sky, draw_weather
from photostock.drawing.styles import finish
from photostock.drawing.view import View, view_of
from photostock.scene import Scene

SUPERSAMPLING = 2  # Pillow draws hard edges; drawn larger and made smaller they become smooth
BETWEEN_BANKS = frozenset({"lake", "river"})
STYLE_SCALES = {"closeup": 1.45, "wide": 0.62}
COUNT_SCALES = {1: 1.0, 2: 0.84, 3: 0.72}
OVERLAP = 0.85  # of several subjects: how much of their width each has to itself


def paint(scene: Scene, *, width_px: int, height_px: int) -> Image.Image:
    """The picture of a scene."""
    view = view_of(scene, width_px=width_px * SUPERSAMPLING, height_px=height_px * SUPERSAMPLING)
    _backdrop(view)
    role = role_of(scene.subject)
    left = view.chance.random() < 0.5
    if scene.extra:
        share = 0.24 if scene.setting in BETWEEN_BANKS else 0.62
        EXTRAS[scene.extra](view, view.width * (0.82 if left else 0.18), view.horizon * share)
    _subjects(view, role, left)
    draw_weather(view)
    return finish(view.canvas.image.reduce(SUPERSAMPLING), scene.style)


def _backdrop(view: View) -> None:
    if view.scene.indoors:
        ROOMS[view.scene.setting](view)
        return
    draw_sky(view)
    PLACES[view.scene.setting](view)


def _subjects(view: View, role: Role, left: bool) -> None:
    scene, count = view.scene, view.scene.count
    foot = _foot(view, role)
    unit = _unit(view, role, foot)
    middle = view.width * (0.5 if count > 1 or not scene.extra else 0.4 if left else 0.6)
    spread = min(2 * role.half_width * unit, view.width / count)
    flip = view.chance.random() < 0.5
    for number in sorted(range(count), key=lambda n: -((n * 2) % 3)):  # the nearer ones last
        x = middle + (number - (count - 1) / 2) * spread
        y = foot + (0.045 * ((number * 2) % 3) if count > 1 else 0.0)
        _one(view, role, x, y, unit, number=number, flip=flip)


def _unit(view: View, role: Role, foot: float) -> float:
    """The height of one subject, so that all of them fit into the picture."""
    wanted = role.height * STYLE_SCALES.get(view.scene.style, 1.0) * COUNT_SCALES[view.scene.count]
    by_width = view.width * 0.98 / (2 * role.half_width * view.scene.count * OVERLAP)
    return min(wanted, by_width, (view.height - foot) / role.top)


def _foot(view: View, role: Role) -> float:
    """How far above the lower edge a subject stands, or hangs."""
    if role.anchor == "air":
        return view.horizon + (view.height - view.horizon - role.height) * 0.42
    share = {"ground": 0.36, "water": 0.5, "far": 0.68}[role.anchor]
    if view.scene.setting in BETWEEN_BANKS:  # a narrow bank in front, and one behind the water
        share = {"ground": 0.2, "water": share, "far": 0.96}[role.anchor]
    return view.horizon * (min(share, 0.3) if view.scene.style == "closeup" else share)


def _one(view: View, role: Role, x: float, y: float, unit: float, *, number: int, flip: bool) -> None:
    scene, palette = view.scene, view.palette
    if role.anchor in ("ground", "far") and scene.style != "silhouette":
        view.bare.faint(0.2).oval(x, y, role.half_width * unit * 0.8, 0.022, BLACK)
    pen = view.cast.inside(x, y, unit, flip=flip)
    draw_subject(pen, scene, lamps=palette.light.lamps, leaf=palette.leaf, number=number)
