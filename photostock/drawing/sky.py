"""Sky and weather: gradient, sun or moon, stars, clouds, and what falls or drifts before everything else."""

from __future__ import annotations

from photostock.drawing.colours import WHITE, Rgb, darker, lighter, mix
from photostock.drawing.view import View


def draw_sky(view: View) -> None:
    """All that is above the horizon, before any ground is drawn."""
    palette = view.palette
    view.gradient(palette.high, palette.low, view.height, view.horizon * 0.9)
    if view.scene.setting == "reef":
        return
    if view.scene.light == "night" and palette.veiled < 0.3:
        _stars(view)
    if palette.veiled < 0.6:
        _disc(view)
    if view.scene.weather != "fog":
        _clouds(view)
    if view.scene.weather == "storm":
        _lightning(view)


def draw_weather(view: View) -> None:
    """What lies between the viewer and the subject."""
    weather = view.scene.weather
    if weather in ("rain", "storm"):
        _rain(view)
    elif weather == "snow":
        _flakes(view)
    elif weather == "fog":
        _fog(view)


def _disc(view: View) -> None:
    light, bare = view.palette.light, view.bare
    x = view.width * view.chance.choice((0.2, 0.3, 0.72, 0.82))
    y = view.horizon + (view.height - view.horizon) * light.disc_height
    moon = light.lamps
    radius = 0.06 if moon else 0.075
    bare.glow(x, y, 0.24 if moon else 0.34, light.disc, share=0.7)
    bare.disc(x, y, radius, light.disc)
    if moon:
        bare.faint(0.5).disc(x + 0.02, y + 0.015, 0.012, darker(light.disc, 0.2))
        bare.faint(0.5).disc(x - 0.02, y - 0.012, 0.016, darker(light.disc, 0.2))


def _stars(view: View) -> None:
    for _ in range(round(70 * view.width * view.height)):
        x, y = view.chance.uniform(0, view.width), view.chance.uniform(view.horizon, view.height)
        view.bare.faint(view.chance.uniform(0.3, 1.0)).disc(x, y, view.chance.choice((0.0015, 0.002, 0.003)), WHITE)


def _clouds(view: View) -> None:
    count = {"clear": 2, "cloudy": 7, "rain": 8, "storm": 9, "snow": 6}[view.scene.weather]
    palette = view.palette
    base = mix(palette.low, WHITE, 0.55 if not palette.light.lamps else 0.12)
    if view.scene.weather in ("rain", "storm"):
        base = darker(palette.high, 0.18)
    for _ in range(count):
        x = view.chance.uniform(-0.05, view.width + 0.05)
        y = view.chance.uniform(view.horizon + (view.height - view.horizon) * 0.4, view.height * 0.99)
        _cloud(view, x, y, view.chance.uniform(0.1, 0.22), base)


def _cloud(view: View, x: float, y: float, size: float, colour: Rgb) -> None:
    pen = view.bare.faint(0.8)
    for puff in range(5):
        along = (puff - 2) / 2
        radius = size * (0.36 - 0.14 * abs(along)) * view.chance.uniform(0.85, 1.15)
        pen.oval(x + along * size * 0.8, y + radius * 0.35, radius * 1.3, radius, lighter(colour, 0.12))
    pen.oval(x, y - size * 0.02, size * 1.1, size * 0.13, colour)


def _lightning(view: View) -> None:
    x, y = view.width * view.chance.uniform(0.15, 0.85), view.height * 0.96
    path = [(x, y)]
    while y > view.horizon:
        y -= view.chance.uniform(0.04, 0.09)
        x += view.chance.uniform(-0.06, 0.06)
        path.append((x, y))
    view.bare.faint(0.35).line(path, 0.022, (220, 225, 255))
    view.bare.line(path, 0.008, (255, 255, 245))


def _rain(view: View) -> None:
    pen = view.bare.faint(0.42)
    slant = 0.02 if view.scene.weather == "rain" else 0.05
    for _ in range(round(150 * view.width * view.height)):
        x, y = view.chance.uniform(0, view.width), view.chance.uniform(0, view.height)
        pen.line([(x, y), (x - slant, y - 0.07)], 0.003, (214, 226, 240))


def _flakes(view: View) -> None:
    for _ in range(round(130 * view.width * view.height)):
        x, y = view.chance.uniform(0, view.width), view.chance.uniform(0, view.height)
        view.bare.faint(0.9).disc(x, y, view.chance.choice((0.004, 0.006, 0.009)), WHITE)


def _fog(view: View) -> None:
    mist = mix(view.palette.low, view.palette.high, 0.3)
    for band in range(6):
        y = view.horizon * (1.25 - band * 0.2) + view.chance.uniform(-0.03, 0.03)
        x = view.width * view.chance.uniform(0.2, 0.8)
        view.bare.faint(0.22).oval(x, y, view.width * 0.8, 0.07 + 0.02 * band, mist)
