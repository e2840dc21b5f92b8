"""People: one skeleton, a pose for every activity, and six kinds of person."""

from __future__ import annotations

from dataclasses import dataclass

from photostock.drawing.colours import Rgb, darker, lighter
from photostock.drawing.pen import Pen, Point

Limb = tuple[Point, Point]  # elbow and hand, or knee and foot

SKINS: tuple[Rgb, ...] = ((250, 214, 184), (236, 188, 150), (206, 152, 110), (150, 100, 70), (104, 70, 52))
HAIRS: tuple[Rgb, ...] = ((52, 40, 36), (104, 66, 40), (196, 142, 70), (150, 70, 40), (34, 32, 38))
TROUSERS: tuple[Rgb, ...] = ((62, 76, 110), (84, 84, 92), (110, 92, 74), (48, 52, 66))
SILVER: Rgb = (206, 206, 210)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the joints are, facing right, as shares of the person's height; far limbs first."""

    hip: Point
    neck: Point
    far_arm: Limb
    near_arm: Limb
    far_leg: Limb
    near_leg: Limb


STANDING: tuple[Limb, Limb] = (((0.05, 0.25), (0.06, 0.03)), ((-0.05, 0.25), (-0.05, 0.03)))
SEATED: tuple[Limb, Limb] = (((0.26, 0.3), (0.28, 0.03)), ((0.24, 0.28), (0.22, 0.03)))

POSES: dict[str, Pose] = {
    "umbrella": Pose(
        (0, 0.47), (0.01, 0.79), ((0.14, 0.66), (0.2, 0.78)), ((-0.06, 0.6), (0.02, 0.46)),
        ((0.08, 0.27), (0.16, 0.04)), ((-0.03, 0.25), (-0.14, 0.04)),
    ),
    "run": Pose(
        (0, 0.47), (0.09, 0.77), ((0.22, 0.6), (0.32, 0.72)), ((-0.08, 0.6), (-0.1, 0.44)),
        ((-0.12, 0.26), (-0.34, 0.26)), ((0.18, 0.34), (0.2, 0.08)),
    ),
    "cycle": Pose(
        (-0.16, 0.56), (0.08, 0.82), ((0.2, 0.66), (0.28, 0.56)), ((0.16, 0.64), (0.26, 0.55)),
        ((0.08, 0.44), (0.0, 0.28)), ((0.06, 0.36), (-0.04, 0.14)),
    ),
    "hike": Pose(
        (0, 0.47), (0.04, 0.79), ((0.16, 0.62), (0.26, 0.6)), ((0.0, 0.6), (0.12, 0.54)),
        ((0.1, 0.28), (0.18, 0.04)), ((-0.03, 0.25), (-0.12, 0.04)),
    ),
    "surf": Pose(
        (-0.02, 0.4), (0.08, 0.68), ((0.26, 0.7), (0.4, 0.64)), ((-0.12, 0.66), (-0.3, 0.7)),
        ((0.2, 0.28), (0.24, 0.08)), ((-0.2, 0.26), (-0.2, 0.08)),
    ),
    "ski": Pose(
        (-0.08, 0.42), (0.08, 0.68), ((0.2, 0.54), (0.3, 0.58)), ((0.14, 0.52), (0.26, 0.52)),
        ((0.12, 0.28), (0.04, 0.07)), ((0.08, 0.26), (0.0, 0.06)),
    ),
    "yoga": Pose(
        (0, 0.5), (0, 0.8), ((0.14, 0.96), (0.02, 1.12)), ((-0.14, 0.96), (-0.02, 1.12)),
        ((0.0, 0.26), (0.0, 0.03)), ((0.24, 0.38), (0.04, 0.3)),
    ),
    "strum": Pose((-0.1, 0.32), (-0.06, 0.63), ((0.12, 0.46), (0.28, 0.5)), ((-0.04, 0.42), (0.08, 0.36)), *SEATED),
    "read": Pose((-0.1, 0.32), (-0.08, 0.63), ((0.06, 0.44), (0.2, 0.5)), ((0.02, 0.43), (0.16, 0.48)), *SEATED),
    "fishing": Pose((-0.1, 0.32), (-0.06, 0.63), ((0.08, 0.46), (0.2, 0.46)), ((0.04, 0.44), (0.16, 0.42)), *SEATED),
    "feed": Pose((-0.1, 0.32), (-0.06, 0.63), ((0.1, 0.46), (0.24, 0.42)), ((0.06, 0.44), (0.26, 0.36)), *SEATED),
    "kite": Pose(
        (0, 0.47), (-0.02, 0.79), ((0.14, 0.84), (0.24, 0.98)), ((0.1, 0.74), (0.2, 0.84)),
        ((0.1, 0.26), (0.14, 0.03)), ((-0.08, 0.26), (-0.12, 0.03)),
    ),
    "paint": Pose((0, 0.47), (0.01, 0.79), ((0.14, 0.7), (0.28, 0.74)), ((0.02, 0.6), (0.14, 0.56)), *STANDING),
    "photograph": Pose((0, 0.47), (0.02, 0.79), ((0.16, 0.74), (0.2, 0.87)), ((0.12, 0.7), (0.18, 0.84)), *STANDING),
    "football": Pose(
        (0, 0.48), (-0.06, 0.78), ((0.12, 0.68), (0.24, 0.76)), ((-0.2, 0.66), (-0.32, 0.6)),
        ((-0.06, 0.25), (-0.08, 0.03)), ((0.18, 0.36), (0.36, 0.22)),
    ),
    "skateboard": Pose(
        (-0.02, 0.46), (0.06, 0.75), ((0.22, 0.72), (0.36, 0.8)), ((-0.1, 0.68), (-0.26, 0.74)),
        ((0.14, 0.32), (0.16, 0.13)), ((-0.16, 0.3), (-0.14, 0.13)),
    ),
    "cook": Pose((0, 0.47), (0.01, 0.79), ((0.12, 0.62), (0.26, 0.6)), ((0.06, 0.6), (0.22, 0.57)), *STANDING),
    "dance": Pose(
        (0, 0.48), (0.02, 0.79), ((0.18, 0.88), (0.32, 1.02)), ((-0.16, 0.76), (-0.3, 0.86)),
        ((0.01, 0.26), (0.02, 0.03)), ((-0.16, 0.34), (-0.32, 0.24)),
    ),
    "garden": Pose(
        (-0.06, 0.46), (0.06, 0.74), ((0.18, 0.6), (0.28, 0.52)), ((0.12, 0.56), (0.26, 0.5)),
        ((0.04, 0.25), (0.06, 0.03)), ((-0.08, 0.25), (-0.1, 0.03)),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """How somebody looks."""

    size: float
    hair: Rgb
    style: str  # long, short, bun, tails, bald
    beard: bool
    skin: Rgb
    trousers: Rgb


def person_of(who: str, seed: int) -> Person:
    """The looks of a woman, man, girl, boy, or an older woman or man; `seed` tells one from another."""
    older = who.startswith("older")
    style = {"woman": "long", "girl": "tails", "older woman": "bun", "older man": "bald"}.get(who, "short")
    return Person(
        size=0.76 if who in ("girl", "boy") else 1.0,
        hair=SILVER if older else HAIRS[seed // 5 % len(HAIRS)],
        style=style,
        beard=who == "older man" or (who == "man" and seed % 3 == 0),
        skin=SKINS[seed % len(SKINS)],
        trousers=TROUSERS[seed // 3 % len(TROUSERS)],
    )


def figure(pen: Pen, pose: Pose, person: Person, colour: Rgb) -> None:
    """Somebody in a coat of `colour`, in a pose."""
    far_cloth, far_skin = darker(colour, 0.25), darker(person.skin, 0.12)
    _arm(pen, pose.neck, pose.far_arm, far_cloth, far_skin)
    _leg(pen, pose.hip, pose.far_leg, darker(person.trousers, 0.25))
    _leg(pen, pose.hip, pose.near_leg, person.trousers)
    chest = (pose.neck[0] * 0.85 + pose.hip[0] * 0.15, pose.neck[1] - 0.06)
    pen.limb([chest, pose.hip], 0.19, colour, end=0.16)
    head(pen, (pose.neck[0] + (pose.neck[0] - pose.hip[0]) * 0.25, pose.neck[1] + 0.105), pose.neck, person)
    _arm(pen, pose.neck, pose.near_arm, darker(colour, 0.1), person.skin)


def _arm(pen: Pen, neck: Point, arm: Limb, cloth: Rgb, skin: Rgb) -> None:
    shoulder = (neck[0], neck[1] - 0.06)
    elbow, hand = arm
    pen.limb([shoulder, elbow, hand], 0.085, cloth, end=0.062)
    pen.disc(hand[0], hand[1], 0.036, skin)


def _leg(pen: Pen, hip: Point, leg: Limb, cloth: Rgb) -> None:
    knee, foot = leg
    pen.limb([hip, knee, foot], 0.12, cloth, end=0.075)
    pen.oval(foot[0] + 0.035, foot[1] - 0.005, 0.07, 0.032, (60, 46, 42))


def head(pen: Pen, at: Point, neck: Point, person: Person) -> None:
    """A head in profile that looks to the right."""
    x, y = at
    r = 0.085 if person.size == 1.0 else 0.11
    if person.style == "long":
        pen.curve(
            [(x + 0.02, y + r * 1.1), (x - r * 1.2, y + r * 0.4), (x - r * 1.3, y - r * 2.2), (x, y - r)], person.hair
        )
    pen.limb([(neck[0], neck[1] - 0.03), (x, y - 0.03)], 0.06, darker(person.skin, 0.1))
    pen.disc(x, y, r, person.skin)
    pen.disc(x + r * 0.98, y - r * 0.08, r * 0.17, person.skin)
    if person.beard:
        pen.oval(x + r * 0.38, y - r * 0.62, r * 0.55, r * 0.5, person.hair)
    _hair(pen, x, y, r, person)
    pen.disc(x + r * 0.5, y + r * 0.1, 0.011, (40, 32, 32))


def _hair(pen: Pen, x: float, y: float, r: float, person: Person) -> None:
    if person.style == "bald":
        pen.oval(x - r * 0.75, y - r * 0.1, r * 0.35, r * 0.5, person.hair)
        return
    cap = [(x + r * 0.75, y + r * 0.62), (x + r * 0.1, y + r * 1.14), (x - r * 0.9, y + r * 0.7)]
    pen.curve([*cap, (x - r * 1.06, y - r * 0.3), (x - r * 0.5, y + r * 0.1), (x + r * 0.2, y + r * 0.5)], person.hair)
    if person.style == "bun":
        pen.disc(x - r * 0.95, y + r * 0.75, r * 0.42, lighter(person.hair, 0.1))
    elif person.style == "tails":
        pen.limb(
            [(x - r * 0.8, y), (x - r * 1.5, y - r * 0.5), (x - r * 1.4, y - r * 1.3)],
            r * 0.5,
            person.hair,
            end=r * 0.2,
        )
