"""Scenes by chance: what goes together in the world goes together here."""

from __future__ import annotations

import random
from collections.abc import Mapping

from photostock.demo.subjects import FOOD, SUBJECTS, Subject
from photostock.scene import INDOORS, Scene

SEASONS = ("spring", "summer", "autumn", "winter")
SEASONLESS = frozenset({"desert", "savannah", "reef", "sea"})
WARM_SEASONS = SEASONS[:3]
NOT_IN_WINTER = frozenset({"sunflower", "tulip", "rose", "mushroom", "butterfly", "icecream", "flamingo", "garden"})
AGAINST_LIGHT = frozenset({"dawn", "golden", "sunset", "dusk"})

DARK = frozenset({"dusk", "night", "candle"})

INDOOR_LIGHTS = {"window": 5, "lamp": 3, "candle": 2}
OUTDOOR_LIGHTS = {"midday": 26, "golden": 20, "sunset": 18, "night": 14, "dawn": 12, "dusk": 10}
WEATHERS = {"clear": 54, "cloudy": 14, "rain": 13, "fog": 11, "storm": 5}
DRY_WEATHERS = {"clear": 80, "cloudy": 12, "fog": 4, "storm": 4}
FROSTY_WEATHERS = {"clear": 70, "cloudy": 16, "fog": 14}
STYLES = {"plain": 64, "closeup": 10, "wide": 9, "mono": 7, "vintage": 5}
COUNTS = {1: 68, 2: 20, 3: 12}
WHO = {"woman": 28, "man": 28, "girl": 14, "boy": 14, "older woman": 8, "older man": 8}

EXTRAS = {
    "beach": "parasol rocks birds boat",
    "sea": "birds boat rainbow",
    "lake": "birds rocks tree boat",
    "river": "birds rocks tree flowers",
    "mountains": "rocks birds tree fence flowers",
    "forest": "rocks birds flowers lamp",
    "meadow": "tree birds fence flowers balloons",
    "hills": "tree birds fence rocks rainbow",
    "park": "bench lamp birds balloons flowers",
    "garden": "bench fence flowers balloons parasol",
    "street": "bench lamp birds balloons tree",
    "village": "bench lamp birds tree fence",
    "harbour": "lamp birds bench balloons",
    "desert": "rocks birds",
    "snow": "tree birds fence lamp rocks",
    "savannah": "birds rocks rainbow",
    "farm": "fence tree birds flowers balloons",
    "sky": "birds rainbow",
    "reef": "rocks",
    "room": "plant lamp cat bouquet",
    "kitchen": "bouquet plant candle newspaper",
    "table": "candle bouquet newspaper plant",
    "cafe": "candle newspaper bouquet plant",
    "studio": "plant balloons",
}
# What a subject brings along already, or would hide.
NOT_BESIDE = {
    "oak": "tree",
    "read": "bench",
    "feed": "bench birds",
    "vase": "bouquet",
    "sailboat": "boat",
    "cat": "cat",
    "gull": "birds",
    "balloon": "balloons",
    "bridge": "boat",
}


def pick(chance: random.Random, weights: Mapping[str, int] | Mapping[int, int]) -> str:
    """One of the keys, as often as it weighs."""
    return str(chance.choices(list(weights), list(weights.values()))[0])


def random_scene(chance: random.Random) -> Scene:
    """One scene; the same state of `chance` gives the same scene."""
    subject = chance.choice(SUBJECTS)
    setting = chance.choice(subject.places)
    season = _season(chance, subject, setting)
    light = pick(chance, INDOOR_LIGHTS if setting in INDOORS else OUTDOOR_LIGHTS) if setting != "reef" else "midday"
    weather = _weather(chance, setting, season)
    return Scene(
        subject=subject.key,
        setting=setting,
        light=light,
        season=season,
        weather=weather,
        colour=chance.choice(subject.colours),
        pose=_pose(chance, subject, setting),
        who=pick(chance, WHO) if subject.group == "person" else "",
        extra=_extra(chance, subject, setting, season, light),
        style=_style(chance, setting, light, weather),
        count=int(pick(chance, COUNTS)) if subject.plural else 1,
        seed=chance.randrange(1_000_000),
    )


def _season(chance: random.Random, subject: Subject, setting: str) -> str:
    if setting == "snow":
        return "winter"
    if setting in INDOORS or setting in SEASONLESS:
        return "summer"
    return chance.choice(WARM_SEASONS if subject.key in NOT_IN_WINTER else SEASONS)


def _weather(chance: random.Random, setting: str, season: str) -> str:
    if setting in INDOORS or setting == "reef":
        return "clear"
    if season == "winter" and chance.random() < 0.3:
        return "snow"
    if setting == "snow":
        return pick(chance, FROSTY_WEATHERS)
    return pick(chance, DRY_WEATHERS if setting in SEASONLESS else WEATHERS)


def _pose(chance: random.Random, subject: Subject, setting: str) -> str:
    if subject in FOOD or setting not in ("room", "studio"):
        return chance.choice(subject.poses) if subject.poses else ""
    calm = [pose for pose in subject.poses if pose not in ("run", "graze")]
    return chance.choice(calm) if calm else ""


def _extra(chance: random.Random, subject: Subject, setting: str, season: str, light: str) -> str:
    unfit = set(NOT_BESIDE.get(subject.key, "").split())
    unfit |= {"flowers"} if season == "winter" else set()
    unfit |= {"rainbow"} if light in ("night", "dusk") else set()
    fit = [extra for extra in EXTRAS[setting].split() if extra not in unfit]
    return chance.choice(fit) if fit and chance.random() < 0.5 else ""


def _style(chance: random.Random, setting: str, light: str, weather: str) -> str:
    if light in AGAINST_LIGHT and setting not in INDOORS and weather in ("clear", "fog") and chance.random() < 0.12:
        return "silhouette"
    style = pick(chance, STYLES)
    return "plain" if style == "mono" and light in DARK else style
