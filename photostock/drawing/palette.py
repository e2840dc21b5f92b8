"""The colours of a scene: what its light, weather, season and place make of the world."""

from __future__ import annotations

from dataclasses import dataclass

from photostock.drawing.colours import Rgb, darker, mix
from photostock.scene import Scene


@dataclass(frozen=True, slots=True)
class Light:
    """A sky from zenith to horizon, its sun or moon, and what it does to the colours below."""

    high: Rgb
    low: Rgb
    disc: Rgb
    disc_height: float  # above the horizon, as a share of the sky
    tint: Rgb
    tint_share: float
    dim: float
    lamps: bool = False


LIGHTS: dict[str, Light] = {
    "dawn": Light((140, 170, 215), (255, 206, 190), (255, 236, 205), 0.16, (255, 190, 190), 0.16, 0.93),
    "midday": Light((64, 144, 214), (188, 224, 244), (255, 246, 200), 0.78, (255, 255, 240), 0.02, 1.0),
    "golden": Light((112, 164, 205), (255, 219, 140), (255, 240, 180), 0.38, (255, 186, 84), 0.22, 0.98),
    "sunset": Light((92, 68, 132), (255, 138, 66), (255, 214, 120), 0.12, (255, 110, 60), 0.27, 0.8),
    "dusk": Light((38, 48, 104), (196, 126, 158), (255, 240, 225), 0.55, (78, 62, 128), 0.36, 0.68, lamps=True),
    "night": Light((9, 14, 40), (38, 54, 100), (244, 240, 214), 0.68, (22, 34, 84), 0.48, 0.52, lamps=True),
    # Indoors: the wall takes the place of the sky.
    "window": Light((236, 226, 210), (222, 210, 192), (255, 255, 255), 0.6, (255, 250, 240), 0.04, 1.0),
    "lamp": Light((206, 150, 92), (170, 112, 64), (255, 226, 160), 0.6, (255, 170, 80), 0.2, 0.86, lamps=True),
    "candle": Light((92, 56, 44), (66, 38, 36), (255, 210, 120), 0.6, (220, 110, 50), 0.3, 0.66, lamps=True),
}

# Weather: the grey that it mixes into the sky, how much of it, and what is left of the light.
WEATHERS: dict[str, tuple[Rgb, float, float]] = {
    "clear": ((255, 255, 255), 0.0, 1.0),
    "cloudy": ((196, 202, 210), 0.45, 0.97),
    "rain": ((126, 138, 152), 0.62, 0.86),
    "fog": ((208, 212, 214), 0.7, 0.95),
    "storm": ((58, 62, 82), 0.72, 0.72),
    "snow": ((206, 213, 222), 0.62, 0.97),
}

LEAVES: dict[str, Rgb] = {
    "spring": (126, 178, 84),
    "summer": (62, 126, 66),
    "autumn": (206, 112, 40),
    "winter": (96, 112, 112),
}
GRASS: dict[str, Rgb] = {
    "spring": (140, 190, 94),
    "summer": (104, 158, 74),
    "autumn": (176, 148, 76),
    "winter": (232, 236, 240),
}

GROUNDS: dict[str, Rgb] = {
    "beach": (232, 208, 160),
    "desert": (226, 176, 110),
    "savannah": (206, 176, 96),
    "snow": (236, 240, 245),
    "street": (136, 136, 142),
    "harbour": (150, 140, 130),
    "sea": (38, 104, 150),
    "lake": (70, 130, 160),
    "river": (80, 140, 165),
    "reef": (16, 86, 128),
    "room": (150, 104, 70),
    "cafe": (112, 74, 52),
    "kitchen": (196, 160, 118),
    "table": (158, 108, 68),
    "studio": (214, 206, 198),
}
COLOURFUL_HEIGHTS = {"dawn": 0.6, "golden": 0.66, "sunset": 0.72}  # where the sky is most itself; 1 is the horizon
MOSTLY_GROUND = frozenset({"hills", "garden", "meadow", "desert", "snow"})
FACADE: Rgb = (156, 134, 124)  # of the houses in a street
LEAST_LIGHT = 0.52  # however dark it is, the picture must show something
SILHOUETTE: Rgb = (28, 20, 36)
GREEN_PLACES = frozenset({"meadow", "hills", "park", "village", "farm", "mountains", "forest", "garden", "sky"})

WALLS: dict[str, tuple[Rgb, ...]] = {
    "room": ((228, 214, 190), (170, 190, 184), (214, 178, 166), (150, 168, 190)),
    "kitchen": ((226, 232, 226), (196, 216, 214), (240, 226, 196)),
    "cafe": ((116, 88, 74), (84, 100, 96), (146, 96, 74)),
    "table": ((96, 104, 112), (186, 168, 150), (70, 82, 84), (204, 196, 186)),
    "studio": ((226, 190, 170), (176, 200, 214), (238, 220, 160), (200, 190, 220), (180, 206, 180)),
}


@dataclass(frozen=True, slots=True)
class Palette:
    """All colours that the backdrop is drawn with, and the light that falls on the subject."""

    high: Rgb
    low: Rgb
    disc: Rgb
    ground: Rgb
    leaf: Rgb
    light: Light
    dim: float
    veiled: float  # how much of the sky the weather hides, 0 to 1
    silhouette: bool

    def lit(self, colour: Rgb) -> Rgb:
        """A colour as it looks in this light."""
        return mix(darker(colour, 1.0 - self.dim), self.light.tint, self.light.tint_share)

    def on_subject(self, colour: Rgb) -> Rgb:
        """A colour of the subject: a little brighter than its surroundings, or nearly black against the light."""
        if self.silhouette:
            return mix(colour, SILHOUETTE, 0.9)
        return mix(self.lit(colour), colour, 0.3)

    def far(self, colour: Rgb, distance: float) -> Rgb:
        """A colour seen through air; `distance` 0 is here, 1 is the horizon."""
        return mix(self.lit(colour), self.low, distance)


def palette_of(scene: Scene) -> Palette:
    """The palette of a scene."""
    light = LIGHTS[scene.light]
    veil, share, dim = WEATHERS[scene.weather]
    veil = mix(veil, darker(light.high, 0.3), 0.6 if light.lamps else 0.0)
    high, low = (mix(colour, veil, share) for colour in _sky(scene, light))
    leaf, ground = LEAVES[scene.season], _ground(scene)
    dim = max(LEAST_LIGHT, light.dim * dim)
    return Palette(high, low, light.disc, ground, leaf, light, dim, share, scene.style == "silhouette")


def _sky(scene: Scene, light: Light) -> tuple[Rgb, Rgb]:
    if scene.setting == "reef":
        return (30, 130, 170), (14, 92, 140)
    if not scene.indoors:
        return light.high, light.low
    walls = WALLS[scene.setting]
    wall = walls[scene.seed % len(walls)]
    wall = mix(darker(wall, 1.0 - light.dim), light.high, 0.1 if scene.light == "window" else 0.45)
    return wall, darker(wall, 0.06)


def _ground(scene: Scene) -> Rgb:
    if scene.setting in GREEN_PLACES:
        return GRASS[scene.season]
    return GROUNDS[scene.setting]


def dominant(scene: Scene) -> Rgb:
    """The colour that most of the picture has: sky or wall, or what hides it."""
    palette = palette_of(scene)
    if scene.setting == "forest":
        return palette.far(darker(palette.leaf, 0.15), 0.35)
    if scene.setting == "street":
        return palette.far(FACADE, 0.2)
    if scene.setting in MOSTLY_GROUND and scene.weather != "fog":
        return palette.far(palette.ground, 0.15)
    return mix(palette.high, palette.low, COLOURFUL_HEIGHTS.get(scene.light, 0.5))
