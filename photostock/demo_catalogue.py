"""A catalogue of invented photos: drawn scenes that people wrote about and searched for."""

from __future__ import annotations

import random
from collections.abc import Iterator

from photostock.demo.people import PHOTOGRAPHERS
from photostock.demo.scenes import pick, random_scene
from photostock.demo.texts import texts_of
from photostock.photo import Photo
from photostock.pictures import color_of
from photostock.scene import Scene

LICENCES = {"CC BY 4.0": 40, "Standard": 27, "CC0": 22, "Editorial only": 11}
SIZES = {
    "4800x3200": 30, "4032x3024": 18, "4000x2250": 14, "3200x4800": 16, "3024x4032": 8, "2250x4000": 4, "3000x3000": 10,
}  # fmt: skip
UNSAFE_SHARE = 0.015
FIRST_YEAR, LAST_YEAR = 2016, 2024
FIRST_MONTH = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}
HOURS = {
    "dawn": (5, 7), "midday": (10, 15), "golden": (16, 18), "sunset": (18, 20), "dusk": (20, 21), "night": (22, 23),
    "window": (9, 17), "lamp": (18, 22), "candle": (19, 23),
}  # fmt: skip


def demo_photos(*, count: int = 3000, seed: int = 7) -> Iterator[Photo]:
    """`count` invented photos; the first ones stay the same however many follow."""
    for number in range(1, count + 1):
        # Scenes are invented, not secret; every photo has its own chance, so that none depends on the others.
        yield _photo(number, random.Random(f"{seed}/{number}"))  # noqa: S311


def _photo(number: int, chance: random.Random) -> Photo:
    scene = random_scene(chance)
    texts = texts_of(scene, chance)
    width, height = (int(side) for side in pick(chance, SIZES).split("x"))
    return Photo(
        id=f"p-{number:05d}",
        title=texts.title,
        description=texts.description,
        tags=texts.tags,
        photographer=_photographer(chance),
        width=width,
        height=height,
        color=color_of(scene),
        licence=pick(chance, LICENCES),
        created_at=_created_at(scene, chance),
        popularity=round(min(1e6, 8 * chance.paretovariate(1.15)), 1),
        safe=chance.random() >= UNSAFE_SHARE,
        scene=scene.as_dict(),
        queries=texts.queries,
    )


def _photographer(chance: random.Random) -> str:
    """A few are busy, most are not (weights fall as 1 / rank)."""
    weights = [1 / rank for rank in range(1, len(PHOTOGRAPHERS) + 1)]
    return chance.choices(PHOTOGRAPHERS, weights)[0]


def _created_at(scene: Scene, chance: random.Random) -> str:
    """A moment that fits the season and the light."""
    year, month = chance.randint(FIRST_YEAR, LAST_YEAR), (FIRST_MONTH[scene.season] + chance.randrange(3) - 1) % 12 + 1
    if scene.indoors:
        month = chance.randint(1, 12)
    hour = chance.randint(*HOURS[scene.light])
    day, minute, second = chance.randint(1, 28), chance.randrange(60), chance.randrange(60)
    return f"{year}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"
