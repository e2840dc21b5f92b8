"""What people do: the things that they hold, sit or ride on, behind and before their figure."""

from __future__ import annotations

from collections.abc import Callable

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.pen import Pen
from photostock.drawing.people import POSES, figure, person_of
from photostock.drawing.wheels import bicycle

WOOD: Rgb = (150, 104, 66)
STEEL: Rgb = (150, 156, 164)
Prop = Callable[[Pen, Rgb], None]


def act(pen: Pen, activity: str, who: str, colour: Rgb, seed: int) -> None:
    """Draws one person at an activity, in clothes of `colour`."""
    person = person_of(who, seed)
    body = pen.inside(0, 0, person.size)
    behind, before = PROPS.get(activity, (_nothing, _nothing))
    behind(body, colour)
    figure(body, POSES[activity], person, colour)
    before(body, colour)


def _nothing(pen: Pen, colour: Rgb) -> None:
    """For whoever needs no more than legs."""


def _umbrella(pen: Pen, colour: Rgb) -> None:
    pen.line([(0.2, 0.72), (0.2, 1.14)], 0.016, BLACK)
    rim = [(-0.18, 1.02), (-0.06, 1.06), (0.07, 1.02), (0.2, 1.06), (0.33, 1.02), (0.46, 1.06), (0.58, 1.02)]
    pen.curve([*rim, (0.5, 1.2), (0.2, 1.32), (-0.1, 1.2)], (214, 70, 66) if colour[0] < 180 else (60, 110, 180))


def _bench(pen: Pen, colour: Rgb) -> None:
    for x in (-0.44, 0.36):
        pen.box(x, 0, x + 0.05, 0.27, darker(WOOD, 0.4))
    for y in (0.36, 0.46, 0.56):
        pen.box(-0.5, y, 0.48, y + 0.065, WOOD)
    pen.box(-0.52, 0.22, 0.5, 0.28, lighter(WOOD, 0.1))


def _stool(pen: Pen, colour: Rgb) -> None:
    for x in (-0.22, 0.02):
        pen.limb([(x, 0), (-0.1, 0.24)], 0.035, darker(WOOD, 0.3))
    pen.box(-0.24, 0.22, 0.06, 0.27, WOOD)


def _book(pen: Pen, colour: Rgb) -> None:
    pen.shape([(0.12, 0.46), (0.2, 0.5), (0.28, 0.68), (0.18, 0.64)], (196, 74, 62))
    pen.shape([(0.2, 0.5), (0.3, 0.46), (0.38, 0.62), (0.28, 0.68)], WHITE)


def _guitar(pen: Pen, colour: Rgb) -> None:
    pen.limb([(0.06, 0.4), (0.46, 0.58)], 0.04, darker(WOOD, 0.4))
    pen.disc(-0.04, 0.34, 0.12, (206, 130, 60))
    pen.disc(0.1, 0.41, 0.095, (206, 130, 60))
    pen.disc(0.06, 0.39, 0.04, darker(WOOD, 0.6))
    pen.limb([(0.44, 0.57), (0.5, 0.6)], 0.06, darker(WOOD, 0.5))
    pen.disc(0.08, 0.36, 0.036, (236, 188, 150))


def _bike(pen: Pen, colour: Rgb) -> None:
    bicycle(pen.inside(0.02, 0, 0.62), "", (60, 150, 150) if colour[0] > 120 else (214, 80, 60))


def _backpack(pen: Pen, colour: Rgb) -> None:
    pen.box(-0.22, 0.48, -0.04, 0.78, (190, 120, 50), round_by=0.05)
    pen.box(-0.22, 0.76, -0.04, 0.84, (110, 130, 80), round_by=0.03)


def _stick(pen: Pen, colour: Rgb) -> None:
    pen.limb([(0.26, 0.68), (0.34, 0.0)], 0.024, WOOD)


def _surfboard(pen: Pen, colour: Rgb) -> None:
    pen.curve([(-0.9, -0.06), (-0.4, 0.34), (0.3, 0.16), (0.9, -0.02), (0.5, -0.16), (-0.7, -0.16)], (150, 206, 222))
    pen.curve([(-0.6, 0.02), (0.2, 0.01), (0.62, 0.12), (0.2, 0.07), (-0.5, 0.07)], (250, 226, 120))
    for x in (-0.7, -0.36, 0.0, 0.4):
        pen.faint(0.8).oval(x, -0.02, 0.2, 0.05, WHITE)


def _skis(pen: Pen, colour: Rgb) -> None:
    for dy, tone in ((0.03, darker((220, 60, 60), 0.2)), (0.0, (220, 60, 60))):
        pen.limb([(-0.42, dy), (0.36, dy), (0.46, dy + 0.06)], 0.026, tone)


def _poles(pen: Pen, colour: Rgb) -> None:
    for x, y in ((0.3, 0.58), (0.26, 0.52)):
        pen.line([(x, y), (x - 0.42, 0.14)], 0.012, STEEL)
    pen.limb([(0.02, 0.8), (0.18, 0.82)], 0.05, BLACK)


def _mat(pen: Pen, colour: Rgb) -> None:
    pen.oval(0, 0.0, 0.42, 0.04, (130, 90, 170))


def _rod(pen: Pen, colour: Rgb) -> None:
    pen.line([(0.1, 0.42), (0.85, 0.92)], 0.016, darker(WOOD, 0.3))
    pen.line([(0.85, 0.92), (0.92, 0.0)], 0.005, WHITE)
    pen.disc(0.92, 0.02, 0.025, (220, 60, 50))
    pen.box(-0.5, 0, -0.32, 0.16, (90, 140, 170))


def _kite(pen: Pen, colour: Rgb) -> None:
    pen.line([(0.24, 0.98), (0.44, 1.04), (0.64, 1.16)], 0.006, WHITE)
    pen.shape([(0.64, 1.16), (0.58, 1.36), (0.84, 1.5), (0.86, 1.26)], (224, 70, 60))
    pen.shape([(0.64, 1.16), (0.84, 1.5), (0.86, 1.26)], (246, 190, 60))
    for k in range(3):
        pen.disc(0.68 + 0.07 * k, 1.1 - 0.04 * k, 0.025, (60, 120, 190))


def _easel(pen: Pen, colour: Rgb) -> None:
    for x in (0.34, 0.62):
        pen.limb([(x, 0), (0.48, 1.06)], 0.026, WOOD)
    pen.box(0.3, 0.5, 0.68, 0.9, WHITE)
    pen.shape([(0.33, 0.53), (0.44, 0.74), (0.52, 0.62), (0.58, 0.7), (0.65, 0.53)], (90, 150, 110))
    pen.disc(0.57, 0.8, 0.04, (240, 150, 70))


def _palette(pen: Pen, colour: Rgb) -> None:
    pen.oval(0.15, 0.56, 0.1, 0.055, lighter(WOOD, 0.3), turn=20)
    for x, tone in ((0.1, (210, 60, 50)), (0.15, (60, 110, 190)), (0.2, (240, 200, 70))):
        pen.disc(x, 0.57 + (x - 0.15) * 0.3, 0.018, tone)
    pen.line([(0.27, 0.73), (0.34, 0.76)], 0.014, darker(WOOD, 0.4))


def _camera(pen: Pen, colour: Rgb) -> None:
    pen.box(0.13, 0.83, 0.25, 0.92, BLACK, round_by=0.015)
    pen.box(0.25, 0.85, 0.32, 0.905, (70, 70, 78))


def _ball(pen: Pen, colour: Rgb) -> None:
    pen.disc(0.54, 0.12, 0.085, WHITE)
    for x, y in ((0.54, 0.12), (0.5, 0.18), (0.6, 0.16), (0.56, 0.05), (0.48, 0.09)):
        pen.disc(x, y, 0.02, BLACK)


def _board(pen: Pen, colour: Rgb) -> None:
    pen.limb([(-0.3, 0.12), (-0.22, 0.085), (0.24, 0.085), (0.32, 0.12)], 0.035, (230, 120, 50))
    for x in (-0.18, 0.2):
        pen.disc(x, 0.04, 0.038, BLACK)


def _stove(pen: Pen, colour: Rgb) -> None:
    pen.box(0.1, 0.0, 0.86, 0.46, (120, 126, 134), round_by=0.02)
    pen.box(0.2, 0.08, 0.62, 0.34, (50, 52, 60), round_by=0.02)
    pen.box(0.24, 0.48, 0.56, 0.66, (190, 70, 60), round_by=0.03)
    pen.box(0.2, 0.6, 0.6, 0.64, darker((190, 70, 60), 0.3))
    for x in (0.32, 0.42, 0.5):
        pen.faint(0.4).limb([(x, 0.7), (x + 0.03, 0.8), (x, 0.92)], 0.03, WHITE, end=0.01)
    pen.line([(0.24, 0.58), (0.36, 0.76)], 0.02, WOOD)


def _hat(pen: Pen, colour: Rgb) -> None:
    pen.box(-0.06, 0.93, 0.1, 1.02, WHITE)
    for x in (-0.06, 0.02, 0.1):
        pen.disc(x, 1.05, 0.062, WHITE)
    _stove(pen, colour)


def _watering(pen: Pen, colour: Rgb) -> None:
    for x, tone in ((0.5, (230, 90, 110)), (0.64, (246, 200, 70)), (0.78, (180, 110, 200))):
        pen.line([(x, 0), (x, 0.18)], 0.02, (70, 130, 70))
        pen.disc(x, 0.2, 0.055, tone)
        pen.disc(x, 0.2, 0.022, WHITE)
    pen.box(0.2, 0.36, 0.4, 0.52, (90, 150, 140), round_by=0.02)
    pen.limb([(0.4, 0.42), (0.54, 0.5)], 0.035, (90, 150, 140))
    for k in range(4):
        pen.faint(0.7).line([(0.55 + 0.03 * k, 0.48), (0.58 + 0.05 * k, 0.28)], 0.008, (190, 220, 240))


def _pigeons(pen: Pen, colour: Rgb) -> None:
    for x, y in ((0.56, 0.0), (0.78, -0.05), (0.7, 0.06)):
        pen.curve([(x + 0.1, y + 0.1), (x, y + 0.12), (x - 0.1, y + 0.04), (x + 0.06, y + 0.03)], (130, 136, 150))
        pen.disc(x - 0.04, y + 0.13, 0.036, (90, 100, 120))
        pen.shape([(x - 0.07, y + 0.14), (x - 0.11, y + 0.12), (x - 0.07, y + 0.11)], (230, 150, 60))


PROPS: dict[str, tuple[Prop, Prop]] = {
    "umbrella": (_umbrella, _nothing),
    "cycle": (_bike, _nothing),
    "hike": (_backpack, _stick),
    "surf": (_surfboard, _nothing),
    "ski": (_skis, _poles),
    "yoga": (_mat, _nothing),
    "strum": (_stool, _guitar),
    "read": (_bench, _book),
    "fishing": (_stool, _rod),
    "feed": (_bench, _pigeons),
    "kite": (_nothing, _kite),
    "paint": (_easel, _palette),
    "photograph": (_nothing, _camera),
    "football": (_nothing, _ball),
    "skateboard": (_board, _nothing),
    "cook": (_nothing, _hat),
    "garden": (_nothing, _watering),
}
