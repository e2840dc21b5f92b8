"""Food on plates, in bowls and in cups; `topping` is what makes one dish differ from the next."""

from __future__ import annotations

import math
from collections.abc import Callable

from photostock.drawing.colours import WHITE, Rgb, darker, lighter
from photostock.drawing.pen import Pen

CRUST: Rgb = (214, 156, 86)
CREAM: Rgb = (252, 242, 222)
TOPPINGS: dict[str, tuple[Rgb, ...]] = {
    "basil": ((74, 140, 62), (54, 112, 54)),
    "mushroom": ((222, 206, 180), (190, 166, 134)),
    "olive": ((60, 58, 52), (84, 92, 50)),
    "tomato": ((214, 58, 44), (186, 44, 38)),
    "egg": ((252, 248, 238), (246, 186, 50)),
    "berry": ((92, 60, 130), (196, 44, 70)),
    "lemon": ((248, 214, 72), (236, 190, 50)),
    "chocolate": ((92, 56, 38), (70, 42, 30)),
    "cheese": ((250, 204, 90), (240, 184, 70)),
    "nut": ((176, 120, 66), (144, 96, 52)),
    "mint": ((110, 190, 130), (80, 160, 104)),
}


def _toppings(pen: Pen, topping: str, spots: list[tuple[float, float]], size: float) -> None:
    colours = TOPPINGS[topping]
    for k, (x, y) in enumerate(spots):
        if topping == "egg":
            pen.oval(x, y, size * 1.5, size * 0.95, colours[0])
            pen.oval(x, y, size * 0.6, size * 0.4, colours[1])
        elif topping in ("basil", "mint"):
            pen.oval(x, y, size * 1.2, size * 0.5, colours[k % 2], turn=40 * k)
        else:
            pen.oval(x, y, size, size * 0.68, colours[k % 2])
            pen.faint(0.35).oval(x - size * 0.3, y + size * 0.2, size * 0.3, size * 0.16, WHITE)


def _around(count: int, rx: float, ry: float, x: float = 0.0, y: float = 0.0) -> list[tuple[float, float]]:
    """Spots in two rings."""
    spots = []
    for k in range(count):
        share = 1.0 if k % 2 else 0.45
        angle = k * 2.4
        spots.append((x + rx * share * math.cos(angle), y + ry * share * math.sin(angle)))
    return spots


def _plate(pen: Pen, colour: Rgb, *, y: float = 0.16, half: float = 0.9) -> None:
    pen.faint(0.25).oval(0.03, y - 0.08, half * 1.05, half * 0.36, (30, 20, 16))
    pen.oval(0, y, half, half * 0.36, colour)
    pen.oval(0, y + 0.02, half * 0.78, half * 0.26, lighter(colour, 0.35))


def _bowl(pen: Pen, colour: Rgb) -> None:
    pen.faint(0.25).oval(0.03, 0.02, 0.62, 0.12, (30, 20, 16))
    pen.curve([(-0.78, 0.56), (-0.6, 0.2), (-0.3, 0.04), (0.3, 0.04), (0.6, 0.2), (0.78, 0.56), (0.0, 0.5)], colour)
    pen.oval(0, 0.56, 0.78, 0.24, lighter(colour, 0.3))


def _steam(pen: Pen, y: float) -> None:
    for x in (-0.22, 0.0, 0.22):
        path = [(x, y), (x + 0.06, y + 0.12), (x - 0.03, y + 0.25), (x + 0.04, y + 0.38)]
        pen.faint(0.4).limb(path, 0.045, WHITE, end=0.01)


def pizza(pen: Pen, topping: str, colour: Rgb) -> None:
    """A pizza with one slice pulled out."""
    _plate(pen, colour, half=1.05)
    pen.oval(0, 0.24, 0.92, 0.34, darker(CRUST, 0.15))
    pen.oval(0, 0.27, 0.92, 0.33, CRUST)
    pen.oval(0, 0.28, 0.8, 0.28, (206, 70, 44))
    pen.oval(0, 0.29, 0.76, 0.26, (248, 208, 110))
    _toppings(pen, topping, _around(13, 0.62, 0.2, 0, 0.3), 0.085)
    for angle in (20, 80, 140):
        dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        pen.line([(-0.9 * dx, 0.28 - 0.32 * dy), (0.9 * dx, 0.28 + 0.32 * dy)], 0.012, darker(CRUST, 0.25))


def soup(pen: Pen, topping: str, colour: Rgb) -> None:
    """A steaming bowl."""
    _bowl(pen, colour)
    pen.oval(0, 0.55, 0.66, 0.18, (226, 124, 50))
    _toppings(pen, topping, _around(7, 0.4, 0.1, 0, 0.55), 0.07)
    _steam(pen, 0.74)


def noodles(pen: Pen, topping: str, colour: Rgb) -> None:
    """A bowl of noodles with chopsticks."""
    _bowl(pen, colour)
    pen.oval(0, 0.55, 0.66, 0.18, (176, 120, 66))
    for k in range(7):
        x = -0.42 + 0.14 * k
        pen.limb([(x - 0.1, 0.5), (x, 0.62 + 0.03 * (k % 2)), (x + 0.12, 0.54)], 0.04, (246, 214, 140))
    _toppings(pen, topping, _around(5, 0.36, 0.08, 0.05, 0.6), 0.1)
    for dy in (0.0, 0.07):
        pen.limb([(0.0, 0.66 + dy), (0.95, 0.98 + dy)], 0.03, (120, 60, 44), end=0.04)
    _steam(pen, 0.78)


def salad(pen: Pen, topping: str, colour: Rgb) -> None:
    """A bowl heaped with leaves."""
    _bowl(pen, colour)
    for k, (x, y) in enumerate(_around(16, 0.55, 0.13, 0, 0.62)):
        pen.oval(x, y, 0.19, 0.1, ((110, 170, 70), (76, 140, 60), (146, 192, 90))[k % 3], turn=35 * k)
    _toppings(pen, topping, _around(8, 0.45, 0.1, 0, 0.66), 0.085)


def coffee(pen: Pen, topping: str, colour: Rgb) -> None:
    """A cup and saucer."""
    _plate(pen, lighter(colour, 0.2), y=0.1, half=0.8)
    pen.ring(0.5, 0.42, 0.18, 0.07, darker(colour, 0.1))
    pen.curve([(-0.5, 0.66), (-0.42, 0.26), (-0.2, 0.1), (0.2, 0.1), (0.42, 0.26), (0.5, 0.66), (0, 0.6)], colour)
    pen.oval(0, 0.66, 0.5, 0.15, lighter(colour, 0.3))
    pen.oval(0, 0.65, 0.42, 0.11, (104, 66, 42))
    pen.oval(0, 0.65, 0.24, 0.06, TOPPINGS[topping][0] if topping in ("chocolate", "nut", "mint") else CREAM)
    _steam(pen, 0.78)


def tea(pen: Pen, topping: str, colour: Rgb) -> None:
    """A pot and a small cup."""
    pen.faint(0.25).oval(0.1, 0.02, 0.95, 0.13, (30, 20, 16))
    pen.ring(-0.66, 0.42, 0.2, 0.06, darker(colour, 0.2))
    pen.limb([(0.3, 0.34), (0.56, 0.46), (0.64, 0.68)], 0.14, darker(colour, 0.08), end=0.07)
    pen.curve([(-0.62, 0.4), (-0.4, 0.08), (0.2, 0.08), (0.44, 0.4), (0.2, 0.72), (-0.38, 0.72)], colour)
    pen.oval(-0.09, 0.72, 0.26, 0.06, darker(colour, 0.2))
    pen.disc(-0.09, 0.8, 0.06, darker(colour, 0.2))
    _toppings(pen, topping, [(-0.3, 0.42), (-0.08, 0.36), (0.14, 0.42)], 0.06)
    pen.curve([(0.62, 0.34), (0.7, 0.06), (0.94, 0.06), (1.02, 0.34)], WHITE)
    pen.oval(0.82, 0.34, 0.2, 0.05, (170, 96, 44))


def cake(pen: Pen, topping: str, colour: Rgb) -> None:
    """A layer cake with one candle."""
    _plate(pen, colour, y=0.1, half=0.85)
    for low, tone in ((0.1, (226, 170, 100)), (0.24, CREAM), (0.3, (226, 170, 100)), (0.44, CREAM)):
        pen.box(-0.55, low, 0.55, low + 0.16, tone)
        pen.oval(0, low, 0.55, 0.13, tone)
    pen.oval(0, 0.6, 0.55, 0.14, TOPPINGS[topping][0])
    for k in range(6):
        x = -0.5 + 0.2 * k
        pen.limb([(x, 0.58), (x, 0.46 - 0.05 * (k % 2))], 0.09, TOPPINGS[topping][0])
    for x, y in _around(7, 0.4, 0.09, 0, 0.63):
        pen.disc(x, y, 0.05, TOPPINGS[topping][1])
    pen.box(-0.02, 0.64, 0.02, 0.86, WHITE)
    pen.unlit().oval(0, 0.92, 0.03, 0.06, (255, 196, 70))


def burger(pen: Pen, topping: str, colour: Rgb) -> None:
    """Everything between two halves of a bun."""
    _plate(pen, colour, y=0.1)
    pen.box(-0.55, 0.1, 0.55, 0.26, CRUST, round_by=0.08)
    pen.limb([(-0.56, 0.3), (-0.3, 0.26), (0.0, 0.31), (0.3, 0.26), (0.56, 0.3)], 0.09, (120, 180, 70))
    pen.box(-0.56, 0.34, 0.56, 0.47, (104, 62, 42), round_by=0.06)
    pen.shape([(-0.54, 0.48), (0.54, 0.48), (0.4, 0.4), (0.2, 0.47), (-0.1, 0.38)], (250, 200, 70))
    pen.box(-0.53, 0.48, 0.53, 0.56, TOPPINGS[topping][0], round_by=0.04)
    pen.curve([(-0.56, 0.56), (-0.46, 0.84), (0.0, 0.98), (0.46, 0.84), (0.56, 0.56)], CRUST)
    for x, y in ((-0.26, 0.8), (0.0, 0.88), (0.26, 0.8), (-0.1, 0.74), (0.14, 0.74)):
        pen.oval(x, y, 0.035, 0.022, CREAM)


def fruit(pen: Pen, topping: str, colour: Rgb) -> None:
    """Apples, oranges, a banana and grapes in a bowl."""
    pen.limb([(-0.5, 0.74), (-0.1, 0.94), (0.4, 0.86)], 0.15, (248, 214, 80), end=0.08)
    for x, y, tone in ((-0.4, 0.66, (206, 56, 48)), (0.0, 0.72, (240, 150, 46)), (0.4, 0.66, (130, 180, 70))):
        pen.disc(x, y, 0.22, tone)
        pen.faint(0.3).disc(x - 0.07, y + 0.08, 0.06, WHITE)
        pen.line([(x, y + 0.2), (x + 0.03, y + 0.28)], 0.02, (90, 60, 40))
    _toppings(pen, topping, [(0.56 + 0.1 * (k % 2), 0.62 - 0.09 * (k // 2)) for k in range(6)], 0.08)
    _bowl(pen, colour)
    pen.oval(0, 0.54, 0.7, 0.16, darker(colour, 0.1))
    for x, tone in ((-0.34, (206, 56, 48)), (0.02, (240, 150, 46)), (0.36, (130, 180, 70))):
        pen.curve([(x - 0.22, 0.56), (x - 0.1, 0.76), (x + 0.1, 0.76), (x + 0.22, 0.56), (x, 0.48)], tone)


def bread(pen: Pen, topping: str, colour: Rgb) -> None:
    """A loaf on a board, two slices cut."""
    pen.box(-1.0, 0.0, 1.0, 0.1, darker(CRUST, 0.35), round_by=0.04)
    loaf = [(-0.86, 0.12), (-0.88, 0.44), (-0.5, 0.62), (0.2, 0.62), (0.36, 0.12)]
    pen.curve(loaf, (186, 118, 62))
    for x in (-0.6, -0.3, 0.0):
        pen.limb([(x - 0.05, 0.42), (x + 0.1, 0.58)], 0.05, (232, 190, 130))
    for x in (0.42, 0.66):
        pen.curve([(x - 0.14, 0.1), (x - 0.16, 0.46), (x, 0.6), (x + 0.16, 0.46), (x + 0.14, 0.1)], (186, 118, 62))
        pen.curve([(x - 0.1, 0.13), (x - 0.12, 0.44), (x, 0.54), (x + 0.12, 0.44), (x + 0.1, 0.13)], CREAM)
        _toppings(pen, topping, [(x - 0.04, 0.24), (x + 0.05, 0.36)], 0.045)


def sushi(pen: Pen, topping: str, colour: Rgb) -> None:
    """Rolls on a long plate, and chopsticks."""
    pen.box(-1.1, 0.02, 1.1, 0.14, colour, round_by=0.05)
    for k in range(4):
        x = -0.75 + 0.5 * k
        pen.box(x - 0.2, 0.14, x + 0.2, 0.42, (40, 50, 46), round_by=0.05)
        pen.oval(x, 0.42, 0.2, 0.09, WHITE)
        pen.oval(x, 0.42, 0.1, 0.045, TOPPINGS[topping][0] if k % 2 else (244, 130, 90))
    for dy in (0.0, 0.06):
        pen.limb([(-0.9, 0.6 + dy), (0.95, 0.78 + dy)], 0.03, (150, 80, 50))


def icecream(pen: Pen, topping: str, colour: Rgb) -> None:
    """Three scoops in a cone."""
    pen.shape([(-0.24, 0.56), (0.24, 0.56), (0, 0.0)], (222, 164, 92))
    for k in range(1, 4):
        pen.line([(-0.24 + 0.12 * k, 0.56), (0.06 * k - 0.06, 0.1 * k)], 0.012, (176, 118, 60))
    pen.disc(-0.15, 0.66, 0.2, colour)
    pen.disc(0.15, 0.66, 0.2, TOPPINGS[topping][0])
    pen.disc(0, 0.88, 0.2, CREAM)
    pen.disc(0.02, 1.1, 0.06, (206, 44, 56))


def pancakes(pen: Pen, topping: str, colour: Rgb) -> None:
    """A stack with syrup."""
    _plate(pen, colour)
    for k in range(5):
        y = 0.16 + 0.1 * k
        pen.oval(0.02 * (k % 2), y, 0.6, 0.17, (176, 110, 54))
        pen.oval(0.02 * (k % 2), y + 0.03, 0.6, 0.16, (236, 180, 100))
    pen.curve(
        [(-0.4, 0.6), (0.0, 0.72), (0.42, 0.6), (0.4, 0.3), (0.3, 0.5), (-0.1, 0.48), (-0.3, 0.34)], (150, 80, 30)
    )
    pen.box(-0.1, 0.64, 0.12, 0.74, (252, 230, 130), round_by=0.02)
    _toppings(pen, topping, [(-0.5, 0.12), (0.56, 0.14), (-0.3, 0.06), (0.3, 0.05), (0.24, 0.68)], 0.075)


DISHES: dict[str, Callable[[Pen, str, Rgb], None]] = {
    "pizza": pizza,
    "soup": soup,
    "noodles": noodles,
    "salad": salad,
    "coffee": coffee,
    "tea": tea,
    "cake": cake,
    "burger": burger,
    "fruit": fruit,
    "bread": bread,
    "sushi": sushi,
    "icecream": icecream,
    "pancakes": pancakes,
}
