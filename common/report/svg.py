"""Small drawings as inline SVG: lines, dots and bars with axes; colours and dashes are classes of the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from common.report.numbers import number

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 40
HALF_DIGIT = 3.5  # its width at the size of labels
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Line:
    """A curve; NaN interrupts it. `style` is a class of the page, `dots` marks the points, `joined` draws the line."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places on the drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values from about `low` to `high`, both inside."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else [0.0]
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in STEPS if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    description: str,
    x_title: str,
    y_title: str,
    band: Sequence[tuple[float, float, float]] = (),
    mark_x: float | None = None,
    from_zero: bool = False,
    limits: tuple[float, float] | None = None,
) -> str:
    """Curves over one pair of axes; `band` is (x, low, high), `mark_x` a vertical line, `limits` those of both axes."""
    points = [point for line in lines for point in line.points if math.isfinite(point[1])]
    if not points:
        return ""
    xs = [x for x, _ in points]
    ys = [y for _, y in points] + [value for _, *ends in band for value in ends] + ([0.0] if from_zero else [])
    x_low, x_high = limits or (min(xs), max(xs))
    y_low, y_high = limits or _padded(min(ys), max(ys), from_zero)
    x = Scale(x_low, x_high, LEFT, WIDTH - RIGHT)
    y = Scale(y_low, y_high, HEIGHT - BOTTOM, TOP)
    drawn = [_axes(x, y, x_title, y_title)]
    if mark_x is not None:
        drawn.append(
            f'<line class="mark" x1="{x.at(mark_x):.1f}" x2="{x.at(mark_x):.1f}" y1="{TOP}" y2="{y.start:.1f}"/>'
        )
    if band:
        upper = [f"{x.at(day):.1f},{y.at(high):.1f}" for day, _, high in band]
        lower = [f"{x.at(day):.1f},{y.at(low):.1f}" for day, low, _ in reversed(band)]
        drawn.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    drawn += [_line(line, x, y) for line in lines]
    return _figure("".join(drawn), title, description)


def bar_chart(
    groups: Sequence[tuple[str, Sequence[tuple[str, float, str]]]], *, title: str, description: str, y_title: str
) -> str:
    """Groups (name, bars) of bars (name, value, class), side by side, from 0."""
    values = [value for _, bars in groups for _, value, _ in bars if math.isfinite(value)]
    if not values:
        return ""
    y = Scale(0, max(values) * 1.05 or 1, HEIGHT - BOTTOM, TOP)
    drawn = [_grid(y, y_title)]
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    for place, (group, bars) in enumerate(groups):
        start, width = LEFT + room * place + room * 0.08, room * 0.84 / max(len(bars), 1)
        for number_in_group, (name, value, style) in enumerate(bars):
            if math.isfinite(value):
                top = y.at(value)
                drawn.append(
                    f'<rect class="bar {style}" x="{start + width * number_in_group:.1f}" y="{top:.1f}" '
                    f'width="{width * 0.9:.1f}" height="{y.start - top:.1f}">'
                    f"<title>{escape(group)}, {escape(name)}: {number(value)}</title></rect>"
                )
        drawn.append(
            f'<text x="{start + room * 0.42:.1f}" y="{HEIGHT - BOTTOM + 18}" class="middle">{escape(group)}</text>'
        )
    return _figure("".join(drawn), title, description)


def _padded(low: float, high: float, from_zero: bool) -> tuple[float, float]:
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (0.0 if from_zero else low - room), high + room


def _grid(y: Scale, y_title: str) -> str:
    drawn = []
    for value in ticks(y.low, y.high):
        place = y.at(value)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        drawn.append(f'<text class="end" x="{LEFT - 6}" y="{place + 4:.1f}">{value:g}</text>')
    turned = f'<text class="middle axis" transform="translate(11 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)">'
    return "".join(drawn) + f"{turned}{escape(y_title)}</text>"


def _axes(x: Scale, y: Scale, x_title: str, y_title: str) -> str:
    drawn = [_grid(y, y_title)]
    for value in ticks(x.low, x.high, 8):
        label = f"{value:g}"
        inside = WIDTH - HALF_DIGIT * len(label)  # the last label is not cut off by the edge
        drawn.append(
            f'<text class="middle" x="{min(x.at(value), inside):.1f}" y="{HEIGHT - BOTTOM + 16}">{label}</text>'
        )
    drawn.append(
        f'<text class="middle axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}">{escape(x_title)}</text>'
    )
    return "".join(drawn)


def _line(line: Line, x: Scale, y: Scale) -> str:
    drawn = []
    runs: list[list[tuple[float, float]]] = [[]]
    for point in line.points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    for run in runs if line.joined else ():
        if run:
            places = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in run)
            drawn.append(f'<polyline class="line {line.style}" points="{places}"/>')
    if line.dots:
        drawn += [
            f'<circle class="dot {line.style}" cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3.2">'
            f"<title>{escape(line.name)}: {number(a)}, {number(b)}</title></circle>"
            for run in runs
            for a, b in run
        ]
    return "".join(drawn)


def _figure(drawn: str, title: str, description: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}. {escape(description)}">'
        f"<title>{escape(title)}</title>{drawn}</svg>"
    )
