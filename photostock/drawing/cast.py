"""Who and what can be in a picture: how large, where it stands, and which function draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from photostock.drawing.activities import act
from photostock.drawing.afloat import AFLOAT
from photostock.drawing.beasts import BEASTS, beast
from photostock.drawing.buildings import BUILDINGS
from photostock.drawing.colours import NAMED, Rgb
from photostock.drawing.food import DISHES
from photostock.drawing.nature import NATURE
from photostock.drawing.pen import Pen
from photostock.drawing.people import POSES
from photostock.drawing.wheels import WHEELS
from photostock.drawing.wings import FLYERS
from photostock.scene import Scene

Anchor = Literal["ground", "water", "air", "far"]


@dataclass(frozen=True, slots=True)
class Role:
    """The space that a subject takes."""

    height: float  # as a share of the picture's shorter side
    half_width: float  # in its own heights
    anchor: Anchor = "ground"
    top: float = 1.3  # how far it rises above its own height: horns, spires, raised arms


BEAST = Role(0.4, 0.85)
PERSON = Role(0.52, 0.5)
VEHICLE = Role(0.3, 1.2)
BUILDING = Role(0.58, 0.75, "far", 1.5)
DISH = Role(0.46, 1.0)
THING = Role(0.5, 0.6)

SPECIAL_ROLES: dict[str, Role] = {
    "rabbit": Role(0.34, 0.6),
    "giraffe": Role(0.36, 0.8, top=1.8),
    "elephant": Role(0.48, 0.95),
    "camel": Role(0.42, 0.9),
    "deer": Role(0.38, 0.8, top=1.75),
    "gull": Role(0.28, 0.7, "air"),
    "owl": Role(0.42, 0.8),
    "duck": Role(0.32, 0.9, "water"),
    "swan": Role(0.36, 0.9, "water"),
    "penguin": Role(0.42, 0.5),
    "parrot": Role(0.46, 0.7),
    "flamingo": Role(0.48, 0.5),
    "butterfly": Role(0.3, 0.75, "air"),
    "fish": Role(0.26, 0.8, "air"),
    "whale": Role(0.3, 1.4, "water"),
    "turtle": Role(0.32, 0.9, "air"),
    "kite": Role(0.42, 0.95, top=1.5),
    "surf": Role(0.5, 0.95, "water"),
    "ski": Role(0.5, 0.55),
    "fishing": Role(0.46, 0.95),
    "paint": Role(0.5, 0.7),
    "feed": Role(0.5, 0.85),
    "garden": Role(0.5, 0.85),
    "cook": Role(0.56, 0.9),
    "bicycle": Role(0.4, 0.9),
    "motorcycle": Role(0.36, 1.0),
    "car": Role(0.3, 1.05),
    "tractor": Role(0.38, 0.85),
    "train": Role(0.28, 1.6),
    "bus": Role(0.3, 1.3),
    "tram": Role(0.3, 1.35),
    "sailboat": Role(0.4, 0.85, "water"),
    "ship": Role(0.28, 1.25, "water"),
    "rowboat": Role(0.24, 1.1, "water"),
    "balloon": Role(0.4, 0.45, "air"),
    "plane": Role(0.3, 1.05, "air"),
    "castle": Role(0.5, 0.85, "far", 1.45),
    "bridge": Role(0.42, 1.0, "far"),
    "barn": Role(0.44, 0.95, "far"),
    "cottage": Role(0.46, 0.65, "far"),
    "skyscraper": Role(0.56, 0.6, "far", 1.5),
    "tent": Role(0.34, 1.2),
    "pizza": Role(0.5, 1.05),
    "icecream": Role(0.5, 0.4),
    "bread": Role(0.46, 1.05),
    "sushi": Role(0.4, 1.15),
    "tea": Role(0.44, 1.05),
    "coffee": Role(0.44, 0.9),
    "oak": Role(0.66, 0.5, "far"),
    "palm": Role(0.66, 0.6),
    "waterfall": Role(0.56, 1.1, "far"),
    "tulip": Role(0.48, 0.6),
    "laptop": Role(0.42, 1.15),
    "books": Role(0.42, 0.7),
    "clock": Role(0.44, 0.5),
}


def knows(subject: str) -> bool:
    """Whether there is a drawing of this subject."""
    return any(subject in table for table in (BEASTS, FLYERS, POSES, WHEELS, AFLOAT, BUILDINGS, DISHES, NATURE))


def role_of(subject: str) -> Role:
    """The space that a subject takes."""
    if subject in SPECIAL_ROLES:
        return SPECIAL_ROLES[subject]
    tables = ((BEASTS, BEAST), (POSES, PERSON), (WHEELS, VEHICLE), (BUILDINGS, BUILDING), (DISHES, DISH))
    return next((role for table, role in tables if subject in table), THING)


def draw_subject(pen: Pen, scene: Scene, *, lamps: bool, leaf: Rgb, number: int) -> None:
    """Draws the `number`th of the scene's subjects with its foot at the pen's origin."""
    subject, colour = scene.subject, NAMED[scene.colour]
    if subject in BEASTS:
        beast(pen, subject, scene.pose, colour)
    elif subject in POSES:
        act(pen, subject, scene.who, colour, scene.seed + number * 7)
    elif subject in BUILDINGS:
        BUILDINGS[subject](pen, lamps, colour)
    elif subject in DISHES:
        DISHES[subject](pen, scene.pose, colour)
    elif subject in NATURE:
        NATURE[subject](pen, scene.season, leaf if subject == "oak" else colour)
    else:
        (WHEELS | AFLOAT | FLYERS)[subject](pen, scene.pose, colour)
