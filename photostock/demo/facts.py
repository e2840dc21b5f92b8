"""What there is to tell of a scene, and one way of many to say each thing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from photostock.demo import words as vocabulary
from photostock.demo.scenes import SEASONLESS
from photostock.demo.subjects import SUBJECTS, Subject
from photostock.demo.words import Words
from photostock.scene import Scene

BY_KEY: Mapping[str, Subject] = {subject.key: subject for subject in SUBJECTS}
NUMBERS = {2: ("two", "a pair of", "two"), 3: ("three", "a group of", "three")}
VESSELS = {
    "soup": "bowl", "noodles": "bowl", "salad": "bowl", "fruit": "bowl", "coffee": "cup", "tea": "pot",
}  # fmt: skip
UNCOLOURED_STYLES = frozenset({"mono", "silhouette"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to tell of a scene, in the order in which a sentence tells it."""

    subject: Subject
    noun: Words  # the one who acts: the subject, or a kind of person
    count: int
    colour: Words | None
    action: Words | None
    details: dict[str, Words]  # place, light, weather, season, extra, style: as far as anybody mentions them


def facts_of(scene: Scene, chance: random.Random) -> Facts:
    """The facts that somebody mentions; what nobody would mention, such as bright daylight, mostly stays out."""
    subject = BY_KEY[scene.subject]
    person = subject.group == "person"
    coloured = len(subject.colours) > 1 and scene.style not in UNCOLOURED_STYLES and scene.subject != "icecream"
    poses = vocabulary.TOPPINGS if subject.group == "food" else vocabulary.POSES
    return Facts(
        subject=subject,
        noun=vocabulary.WHO[scene.who] if person else subject.names,
        count=scene.count,
        colour=vocabulary.COLOURS[scene.colour] if coloured and chance.random() < 0.88 else None,
        action=subject.names if person else poses.get(scene.pose),
        details=_details(scene, chance),
    )


def _details(scene: Scene, chance: random.Random) -> dict[str, Words]:
    told = {"place": vocabulary.PLACES[scene.setting]}
    if scene.extra:
        told["extra"] = vocabulary.EXTRAS[scene.extra]
    if scene.setting != "reef" and chance.random() < (0.35 if scene.light in ("midday", "window") else 0.9):
        told["light"] = vocabulary.LIGHTS[scene.light]
    if not scene.indoors and scene.setting != "reef":
        if chance.random() < (0.2 if scene.weather == "clear" else 0.95) and not _sun_at_night(scene):
            told["weather"] = vocabulary.WEATHERS[scene.weather]
        if scene.setting not in SEASONLESS and chance.random() < (0.3 if scene.season == "summer" else 0.7):
            told["season"] = vocabulary.SEASONS[scene.season]
    if scene.style != "plain" and chance.random() < 0.85:
        told["style"] = vocabulary.STYLES[scene.style]
    return told


def _sun_at_night(scene: Scene) -> bool:
    return scene.weather == "clear" and scene.light in ("night", "dusk")


def say(ways: tuple[str, ...], chance: random.Random, *, plain: bool = False, unlike: str = "") -> str:
    """One of several ways; mostly the first if `plain`, mostly none that is in `unlike`."""
    if plain:
        return chance.choices(ways, [6, *[2] * (len(ways) - 1)])[0]
    fresh = [way for way in ways if way.lower() not in unlike.lower()]
    return chance.choice(fresh if fresh and chance.random() < 0.75 else ways)
