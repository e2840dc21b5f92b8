"""Animals on four legs: one body plan with measures for each of them."""

from __future__ import annotations

from dataclasses import dataclass

from photostock.drawing.colours import BLACK, WHITE, Rgb, darker, lighter
from photostock.drawing.pen import Pen, Point


@dataclass(frozen=True, slots=True)
class Beast:
    """Measures as shares of the standing height at the back."""

    length: float  # of the trunk, between the legs
    girth: float
    leg: float
    leg_width: float
    neck: float
    neck_up: float  # how steep: 0 is forward, 1 is upright
    head: float
    snout: float
    ear: str
    tail: str
    coat: str = ""  # spots, stripes, patches, wool
    crown: str = ""  # antlers, horns, mane, trunk, humps, bob


BEASTS: dict[str, Beast] = {
    "dog": Beast(0.62, 0.34, 0.42, 0.13, 0.26, 0.7, 0.17, 0.17, "flop", "up"),
    "cat": Beast(0.58, 0.3, 0.32, 0.11, 0.16, 0.75, 0.19, 0.05, "point", "curl"),
    "horse": Beast(0.72, 0.33, 0.52, 0.1, 0.42, 0.75, 0.14, 0.24, "point", "flow", crown="crest"),
    "cow": Beast(0.82, 0.42, 0.4, 0.12, 0.2, 0.4, 0.17, 0.18, "side", "tuft", "patches", "horns"),
    "sheep": Beast(0.5, 0.46, 0.3, 0.09, 0.14, 0.5, 0.14, 0.12, "side", "none", "wool"),
    "pig": Beast(0.62, 0.44, 0.24, 0.12, 0.08, 0.2, 0.2, 0.12, "flop", "none", "pig"),
    "elephant": Beast(0.62, 0.56, 0.4, 0.21, 0.14, 0.5, 0.27, 0.05, "fan", "tuft", crown="trunk"),
    "giraffe": Beast(0.5, 0.3, 0.62, 0.09, 0.9, 0.86, 0.11, 0.15, "side", "tuft", "spots", "knobs"),
    "zebra": Beast(0.68, 0.35, 0.48, 0.1, 0.36, 0.72, 0.14, 0.2, "point", "tuft", "stripes", "crest"),
    "lion": Beast(0.7, 0.34, 0.42, 0.13, 0.2, 0.6, 0.2, 0.1, "round", "tuft", crown="mane"),
    "bear": Beast(0.6, 0.52, 0.32, 0.19, 0.16, 0.45, 0.22, 0.13, "round", "none"),
    "fox": Beast(0.6, 0.27, 0.32, 0.09, 0.2, 0.6, 0.16, 0.18, "point", "brush", "fox"),
    "deer": Beast(0.56, 0.3, 0.54, 0.08, 0.36, 0.85, 0.13, 0.15, "side", "none", "fawn", "antlers"),
    "rabbit": Beast(0.34, 0.44, 0.2, 0.13, 0.1, 0.8, 0.2, 0.05, "long", "puff"),
    "camel": Beast(0.66, 0.38, 0.54, 0.1, 0.42, 0.66, 0.14, 0.15, "round", "tuft", crown="humps"),
}

# Where each foot stands, from its hip (x, share of the leg's length): fore near, fore far, hind near, hind far.
GAITS: dict[str, tuple[Point, Point, Point, Point]] = {
    "stand": ((0.02, 1.0), (-0.1, 1.0), (-0.02, 1.0), (0.1, 1.0)),
    "walk": ((0.14, 1.0), (-0.12, 0.98), (0.12, 1.0), (-0.14, 0.98)),
    "graze": ((0.06, 1.0), (-0.08, 1.0), (-0.04, 1.0), (0.1, 1.0)),
    "run": ((0.36, 0.7), (0.22, 0.86), (-0.36, 0.74), (-0.2, 0.9)),
    "sit": ((0.02, 1.0), (0.1, 1.0), (0.18, 0.0), (0.1, 0.0)),
    "lie": ((0.2, 0.0), (0.12, 0.0), (0.16, 0.0), (0.1, 0.0)),
}


def beast(pen: Pen, kind: str, pose: str, colour: Rgb) -> None:
    """Draws one animal that looks to the right."""
    plan = BEASTS[kind]
    if kind == "zebra":
        colour = (240, 238, 232)
    rump, chest = _trunk_line(plan, pose)
    shade = darker(colour, 0.22)
    _legs(pen, plan, pose, rump, chest, shade, far=True)
    _tail(pen, plan, rump, colour)
    if plan.crown == "humps":
        for share in (0.3, 0.68):
            pen.oval(rump[0] + plan.length * share, rump[1] + plan.girth * 0.5, 0.13, 0.17, shade)
    _trunk(pen, plan, rump, chest, colour)
    _legs(pen, plan, pose, rump, chest, colour, far=False)
    _head(pen, plan, pose, chest, colour)


def _trunk_line(plan: Beast, pose: str) -> tuple[Point, Point]:
    """The middle of the rump and of the chest."""
    middle = plan.leg + plan.girth * 0.42
    if pose == "lie":
        middle = plan.girth * 0.5
    rump, chest = (-plan.length / 2, middle), (plan.length / 2, middle + 0.02)
    if pose == "sit":
        rump, chest = (-plan.length * 0.26, plan.girth * 0.5), (plan.length * 0.22, middle + 0.08)
    if pose == "run":
        rump, chest = (rump[0], middle), (chest[0], middle + 0.06)
    return rump, chest


def _legs(pen: Pen, plan: Beast, pose: str, rump: Point, chest: Point, colour: Rgb, *, far: bool) -> None:
    gait = GAITS[pose]
    width = plan.leg_width
    hoof = darker(colour, 0.45)
    for hip, (dx, down), sign in ((chest, gait[1 if far else 0], -1), (rump, gait[3 if far else 2], 1)):
        x = hip[0] + sign * width * 0.35 + (0.06 if far else 0.0)
        y = max(width / 2, hip[1] - plan.girth * 0.2 - plan.leg * down)
        if down == 0.0:
            pen.limb([(x, width * 0.6), (x + dx + 0.06, width * 0.5)], width, colour)
            continue
        foot = (x + dx, y)
        bend = (x + dx * 0.35 + sign * 0.03, (hip[1] + y) / 2)
        pen.limb([(x, hip[1]), bend, foot], width * 1.25, colour, end=width * 0.8)
        pen.oval(foot[0] + 0.02, y - width * 0.2, width * 0.52, width * 0.28, hoof)


def _trunk(pen: Pen, plan: Beast, rump: Point, chest: Point, colour: Rgb) -> None:
    if plan.coat == "wool":
        _wool(pen, plan, rump, chest, colour)
        return
    pen.limb([rump, chest], plan.girth, colour)
    belly = lighter(colour, 0.08)
    pen.limb(
        [(rump[0], rump[1] + plan.girth * 0.16), (chest[0], chest[1] + plan.girth * 0.18)], plan.girth * 0.5, belly
    )
    if plan.coat == "patches":
        for share, up, r in ((0.1, 0.1, 0.14), (0.5, 0.12, 0.17), (0.85, -0.06, 0.12)):
            x, y = rump[0] + (chest[0] - rump[0]) * share, rump[1] + plan.girth * up
            pen.oval(x, y, r, r * 0.72, darker(WHITE, 0.02) if sum(colour) < 500 else BLACK)
    if plan.coat == "spots":
        for k in range(11):
            x = rump[0] + (chest[0] - rump[0]) * (k / 10)
            pen.oval(x, rump[1] + plan.girth * (0.28, -0.02, -0.3)[k % 3], 0.042, 0.05, darker(colour, 0.42))
    if plan.coat == "stripes":
        for k in range(9):
            x = rump[0] - 0.1 + (plan.length + 0.18) * k / 8
            half = plan.girth * (0.26 if k in (0, 8) else 0.44)
            pen.limb([(x, rump[1] + half), (x - 0.03, rump[1] - half * 0.7)], 0.045, BLACK, end=0.015)


def _wool(pen: Pen, plan: Beast, rump: Point, chest: Point, colour: Rgb) -> None:
    for k in range(7):
        x = rump[0] - 0.06 + (plan.length + 0.12) * k / 6
        for dy in (-0.12, 0.14):
            pen.disc(x, rump[1] + dy, 0.13, darker(colour, 0.06) if dy < 0 else colour)
    pen.limb([rump, chest], plan.girth * 0.7, colour)


def _tail(pen: Pen, plan: Beast, rump: Point, colour: Rgb) -> None:
    x, y = rump[0] - plan.girth * 0.4, rump[1] + plan.girth * 0.2
    dark = darker(colour, 0.3)
    if plan.tail == "up":
        pen.limb([(x + 0.04, y), (x - 0.12, y + 0.14), (x - 0.13, y + 0.26)], 0.08, colour, end=0.04)
    elif plan.tail == "curl":
        pen.limb(
            [(x + 0.04, y), (x - 0.14, y + 0.06), (x - 0.2, y + 0.26), (x - 0.12, y + 0.38)], 0.07, colour, end=0.05
        )
    elif plan.tail == "flow":
        pen.curve([(x + 0.04, y + 0.06), (x - 0.12, y), (x - 0.16, y - 0.4), (x - 0.04, y - 0.3)], dark)
    elif plan.tail == "tuft":
        pen.limb([(x + 0.02, y), (x - 0.07, y - 0.16), (x - 0.05, y - 0.34)], 0.035, colour, end=0.025)
        pen.oval(x - 0.05, y - 0.38, 0.035, 0.06, dark)
    elif plan.tail == "brush":
        pen.curve([(x + 0.08, y - 0.02), (x - 0.2, y + 0.16), (x - 0.46, y + 0.1), (x - 0.26, y - 0.08)], colour)
        pen.oval(x - 0.4, y + 0.09, 0.07, 0.045, WHITE, turn=-15)
    elif plan.tail == "puff":
        pen.disc(x, y - 0.1, 0.1, WHITE)


def _head(pen: Pen, plan: Beast, pose: str, chest: Point, colour: Rgb) -> None:
    up = {"graze": -0.9, "lie": plan.neck_up * 0.45, "run": plan.neck_up * 0.8}.get(pose, plan.neck_up)
    start = (chest[0] + plan.girth * 0.1, chest[1] + plan.girth * (0.12 if up > 0 else 0.0))
    reach = plan.neck + plan.girth * 0.3
    x, y = start[0] + reach * (1 - abs(up) * 0.72), start[1] + reach * up
    y = max(y, plan.head * 0.75)
    if plan.crown == "mane":
        pen.disc(x - 0.02, y, plan.head * 1.75, darker(colour, 0.42))
        pen.disc(x + 0.0, y, plan.head * 1.45, darker(colour, 0.3))
    skin = (70, 62, 60) if plan.coat == "wool" else colour
    pen.limb([start, (x, y)], plan.girth * 0.62 if plan.coat != "wool" else 0.16, colour, end=plan.head * 1.2)
    if plan.coat in ("spots", "stripes"):
        _neck_marks(pen, plan, start, (x, y), colour)
    if plan.crown == "crest":
        mane = BLACK if plan.coat == "stripes" else darker(colour, 0.4)
        pen.limb([(start[0] - 0.1, start[1] + 0.14), (x - plan.head * 0.8, y + plan.head * 0.7)], 0.1, mane, end=0.06)
    face(pen.inside(x, y, 1.0), plan, skin, down=pose == "graze", asleep=pose == "lie")


def _neck_marks(pen: Pen, plan: Beast, start: Point, end: Point, colour: Rgb) -> None:
    dark = BLACK if plan.coat == "stripes" else darker(colour, 0.42)
    steps = 6 if plan.coat == "spots" else 4
    for k in range(1, steps):
        x, y = start[0] + (end[0] - start[0]) * k / steps, start[1] + (end[1] - start[1]) * k / steps
        if plan.coat == "spots":
            pen.oval(x + (0.03 if k % 2 else -0.03), y, 0.036, 0.05, dark)
        else:
            pen.limb([(x - 0.08, y + 0.05), (x + 0.06, y - 0.03)], 0.035, dark, end=0.012)


def face(pen: Pen, plan: Beast, colour: Rgb, *, down: bool, asleep: bool) -> None:
    """Head with the pen's origin in its middle."""
    r, s = plan.head, plan.snout
    tip = (r * 0.6 + s * 0.6, -r * 0.3 - (s * 0.9 if down else s * 0.25))
    _ears(pen, plan, colour, back=True)
    _crown(pen, plan, colour)
    pen.limb([(0.02, -r * 0.1), tip], r * 1.5, colour, end=max(r * 0.75, 0.1))
    pen.disc(0, 0, r, colour)
    if plan.coat in ("fox", "fawn"):
        pen.limb([(r * 0.4, -r * 0.4), tip], r * 0.6, lighter(colour, 0.6), end=0.07)
    if plan.crown == "trunk":
        pen.limb([(r * 0.6, -0.06), (r * 1.35, -0.3), (r * 1.25, -0.55), (r * 1.5, -0.66)], 0.19, colour, end=0.09)
        pen.limb([(r * 0.5, -r * 0.7), (r * 1.5, -r * 0.95)], 0.06, WHITE, end=0.03)
    elif plan.coat == "pig":
        pen.oval(tip[0] + 0.05, tip[1], 0.05, 0.09, darker(colour, 0.2))
    else:
        pen.disc(tip[0] + max(r * 0.3, 0.04), tip[1] + r * 0.12, 0.035, BLACK)
    if asleep:
        pen.line([(r * 0.15, r * 0.2), (r * 0.6, r * 0.16)], 0.022, BLACK)
    else:
        pen.disc(r * 0.42, r * 0.25, 0.032, BLACK)
        pen.disc(r * 0.42 + 0.01, r * 0.25 + 0.01, 0.01, WHITE)
    _ears(pen, plan, colour, back=False)


def _ears(pen: Pen, plan: Beast, colour: Rgb, *, back: bool) -> None:
    r, shade = plan.head, darker(colour, 0.2)
    shift, tone = (r * 0.45, shade) if back else (0.0, colour)
    if plan.ear == "point":
        pen.shape([(-r * 0.7 + shift, r * 0.6), (-r * 0.4 + shift, r * 1.75), (r * 0.05 + shift, r * 0.85)], tone)
        if not back:
            pen.shape([(-r * 0.5, r * 0.8), (-r * 0.38, r * 1.45), (-r * 0.12, r * 0.9)], shade)
    elif plan.ear == "flop" and not back:
        pen.oval(-r * 0.45, r * 0.15, r * 0.4, r * 0.85, darker(colour, 0.3), turn=-18)
    elif plan.ear == "side":
        pen.oval(-r * 0.75 + shift, r * 0.75, r * 0.62, r * 0.26, shade, turn=-25)
    elif plan.ear == "round":
        pen.disc(-r * 0.5 + shift, r * 0.85, r * 0.38, tone)
    elif plan.ear == "fan" and not back:
        pen.curve(
            [(-0.06, r * 0.8), (-r * 1.5, r * 0.9), (-r * 1.7, -r * 0.4), (-r * 0.6, -r * 1.1), (0, -r * 0.2)], shade
        )
    elif plan.ear == "long":
        pen.oval(-r * 0.3 + shift, r * 1.7, r * 0.26, r * 0.95, tone, turn=8)
        if not back:
            pen.oval(-r * 0.3, r * 1.7, r * 0.12, r * 0.7, (236, 170, 170), turn=8)


def _crown(pen: Pen, plan: Beast, colour: Rgb) -> None:
    r, horn = plan.head, (222, 208, 178)
    if plan.crown == "antlers":
        for lean in (-0.5, 0.35):
            base, top = (-r * 0.3, r * 0.7), (-r * 0.3 + lean * 0.5, r * 0.7 + 0.42)
            pen.limb([base, (base[0] + lean * 0.4, base[1] + 0.18), top], 0.045, (150, 116, 84), end=0.02)
            for share in (0.4, 0.75):
                x, y = base[0] + lean * 0.5 * share, base[1] + 0.42 * share
                pen.limb([(x, y), (x + 0.12, y + 0.12)], 0.03, (150, 116, 84), end=0.015)
    elif plan.crown == "horns":
        pen.limb([(-r * 0.2, r * 0.8), (r * 0.1, r * 1.3), (r * 0.5, r * 1.5)], 0.06, horn, end=0.02)
    elif plan.crown == "knobs":
        for x in (-r * 0.3, r * 0.25):
            pen.limb([(x, r * 0.7), (x - 0.02, r * 1.9)], 0.03, colour)
            pen.disc(x - 0.02, r * 1.95, 0.03, BLACK)
