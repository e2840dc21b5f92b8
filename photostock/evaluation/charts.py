"""The page's drawings: what each step of the chain reaches and costs, and what each removed part takes away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TypeAlias

from common.report.html import figure
from common.report.numbers import number, percent
from common.report.svg import Scale, ticks
from photostock.evaluation.report import Line

WIDTH, ROW_PX, TOP, BOTTOM = 560, 30, 8, 40
LABEL_PX, RIGHT_PX = 190, 64

Row: TypeAlias = tuple[str, float, float, float, str]  # name, value, low, high, class


def quality_chart(lines: Sequence[Line]) -> str:
    """nDCG@10 with its interval, one row per way to search."""
    rows = [
        (line.name, line.quality.ndcg_10.value, line.quality.ndcg_10.low, line.quality.ndcg_10.high, _style(line))
        for line in lines
    ]
    drawn = _bars(rows, "nDCG@10", "quality of each way to search, with 95 % intervals", number)
    return figure(drawn, "Quality: nDCG@10", "further right is better; the thin line is the 95 % interval")


def cost_chart(lines: Sequence[Line]) -> str:
    """Processor time per query, one row per way to search."""
    rows = [(line.name, line.cpu_ms, line.cpu_ms, line.cpu_ms, _style(line)) for line in lines]
    drawn = _bars(rows, "ms per query", "processor time of each way to search", lambda value: number(value, 1))
    return figure(drawn, "Cost: processor time per query, ms", "further left is cheaper")


def loss_chart(lines: Sequence[Line]) -> str:
    """By how much nDCG@10 falls when a part is taken away from the whole."""
    rows = []
    for line in lines:
        lost, least, most = (
            max(0.0, 1 - value) for value in (line.to_whole.value, line.to_whole.high, line.to_whole.low)
        )
        rows.append((line.name.removeprefix("without "), lost, least, most, "t2"))
    drawn = _bars(rows, "share of nDCG@10 lost", "what is lost without each part", percent)
    return figure(drawn, "What is lost when one part is away", "share of the whole's nDCG@10, with 95 % interval")


def _style(line: Line) -> str:
    return {"stage": "t0", "whole": "t0", "removed": "t2", "peer": "t4"}[line.kind]


def _bars(rows: Sequence[Row], axis: str, description: str, told: Callable[[float], str]) -> str:
    if not rows:
        return ""
    height = TOP + ROW_PX * len(rows) + BOTTOM
    x = Scale(0, max(high for _, _, _, high, _ in rows) * 1.02 or 1, LABEL_PX, WIDTH - RIGHT_PX)
    bottom = height - BOTTOM
    drawn = []
    for value in ticks(0, x.high, 5):
        place = f"{x.at(value):.1f}"
        drawn.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{TOP}" y2="{bottom}"/>')
        drawn.append(f'<text class="middle" x="{place}" y="{bottom + 16}">{value:g}</text>')
    for number_of_row, (name, value, low, high, style) in enumerate(rows):
        middle = TOP + ROW_PX * (number_of_row + 0.5)
        width = max(0.0, x.at(value) - x.start)
        drawn.append(f'<text class="end" x="{LABEL_PX - 8}" y="{middle + 4:.1f}">{escape(name)}</text>')
        drawn.append(
            f'<rect class="bar {style}" x="{x.start}" y="{middle - 9:.1f}" width="{width:.1f}" height="18" rx="2"/>'
        )
        if high > low:
            drawn.append(
                f'<line class="whisker" x1="{x.at(low):.1f}" x2="{x.at(high):.1f}" '
                f'y1="{middle:.1f}" y2="{middle:.1f}"/>'
            )
        end = x.at(max(value, high)) + 6
        drawn.append(f'<text class="value" x="{end:.1f}" y="{middle + 4:.1f}">{escape(told(value))}</text>')
    drawn.append(f'<text class="middle axis" x="{(x.start + x.end) / 2:.0f}" y="{height - 3}">{escape(axis)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(axis)}: {escape(description)}">'
        f"<title>{escape(description)}</title>{''.join(drawn)}</svg>"
    )
