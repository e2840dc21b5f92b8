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
STYLE_SCALES = {"closeup": 1.45, "wide": 0.62}
COUNT_SCALES = {1: 1.0, 2: 0.84, 3: 0.72, 4: 0.62}


def paint(scene: Scene, *, width_px: int, height_px: int) -> Image.Image:
    """The picture of a scene."""
    view = view_of(scene, width_px=width_px * SUPERSAMPLING, height_px=height_px * SUPERSAMPLING)
    _backdrop(view)
    role = role_of(scene.subject)
    left = view.chance.random() < 0.5
    if scene.extra:
        EXTRAS[scene.extra](view, view.width * (0.82 if left else 0.18), view.horizon * 0.62)
    _subjects(view, role, left)
    draw_weather(view)
    return finish(view.image.reduce(SUPERSAMPLING), scene.style)


def _backdrop(view: View) -> None:
    if view.scene.indoors:
        ROOMS[view.scene.setting](view)
        return
    draw_sky(view)
    PLACES[view.scene.setting](view)


def _subjects(view: View, role: Role, left: bool) -> None:
    scene, count = view.scene, view.scene.count
    wanted = role.height * STYLE_SCALES.get(scene.style, 1.0) * COUNT_SCALES[count]
    unit = min(wanted, view.width * 0.96 / (2 * role.half_width * count))
    middle = view.width * (0.5 if count > 1 or not scene.extra else 0.4 if left else 0.6)
    spread = min(2 * role.half_width * unit * 1.02, view.width / count)
    flip = view.chance.random() < 0.5
    for number in sorted(range(count), key=lambda n: -((n * 2) % 3)):
        x = middle + (number - (count - 1) / 2) * spread
        y = _foot(view, role, unit) + 0.045 * ((number * 2) % 3) * (1 if count > 1 else 0)
        _one(view, role, x, y, unit, number=number, flip=flip)


def _foot(view: View, role: Role, unit: float) -> float:
    """How far above the lower edge a subject stands."""
    if role.anchor == "air":
        return view.horizon + max(0.0, view.height - view.horizon - unit) * 0.42
    share = {"ground": 0.36, "water": 0.5, "far": 0.68}[role.anchor]
    return view.horizon * (0.3 if view.scene.style == "closeup" else share)


def _one(view: View, role: Role, x: float, y: float, unit: float, *, number: int, flip: bool) -> None:
    scene, palette = view.scene, view.palette
    if role.anchor in ("ground", "far") and scene.style != "silhouette":
        view.bare.faint(0.2).oval(x, y, role.half_width * unit * 0.8, 0.022, BLACK)
    pen = view.cast.inside(x, y, unit, flip=flip)
    draw_subject(pen, scene, lamps=palette.light.lamps, leaf=palette.leaf, number=number)
