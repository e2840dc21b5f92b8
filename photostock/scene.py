"""What a demo photo shows: the one recipe behind its picture and behind all the words about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

INDOORS = frozenset({"room", "kitchen", "table", "cafe", "studio"})


@dataclass(frozen=True, slots=True)
class Scene:
    """One subject at one place in one light; every word is a key of the vocabulary."""

    subject: str
    setting: str
    light: str
    season: str = "summer"
    weather: str = "clear"
    colour: str = "brown"
    pose: str = ""  # what the subject does, where it can do several things
    who: str = ""  # woman, man, girl, boy … for people
    extra: str = ""  # a second, smaller thing in the picture
    style: str = "plain"
    count: int = 1
    seed: int = 0  # of everything else that is drawn by chance

    @property
    def indoors(self) -> bool:
        """Whether there is a wall behind the subject, and no sky."""
        return self.setting in INDOORS

    def as_dict(self) -> dict[str, Any]:
        """The recipe as it is kept with a photo."""
        return asdict(self)


def scene_of(recipe: Mapping[str, Any] | None) -> Scene | None:
    """The scene of a kept recipe; None if there is none, or one of another version of this project."""
    if recipe is None or set(recipe) != {field.name for field in fields(Scene)}:
        return None
    return Scene(**recipe)
