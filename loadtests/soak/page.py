"""The run as one HTML page: the verdict, a plot per gauge with the stretches of faults, and the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from common.report.html import figure, legend, save_document, table
from common.report.svg import Line, line_chart
from loadtests.soak.judge import LIMITS, Trend
from loadtests.soak.outcome import Outcome

STYLE = ".no { color: rgb(var(--bad)); font-weight: 700; } .ok { color: rgb(var(--good)); }"
COLOURS = ("t0", "t2", "t3", "t6")
HEADS = ("gauge", "half-way to the end, median", "growth over the run", "at least", "allowed", "verdict")


def save_page(outcome: Outcome, path: Path) -> None:
    """Writes the page; makes the folder."""
    save_document(path, "Soak", _parts(outcome), style=STYLE)


def _parts(outcome: Outcome) -> Iterator[str]:
    yield "<h1>Soak</h1>"
    yield f"<p>{escape(outcome.told)}</p>"
    if outcome.broken:
        yield f'<ul class="summary">{"".join(f"<li>{escape(one)}</li>" for one in outcome.broken)}</ul>'
    processes = list(dict.fromkeys(one.process for one in outcome.trends if one.gauge == "memory"))
    yield legend([(name, COLOURS[place % len(COLOURS)]) for place, name in enumerate(processes)])
    yield '<div class="charts">'
    for gauge in LIMITS:
        chosen = [one for one in outcome.trends if one.gauge == gauge]
        yield _plot(gauge, chosen, processes)
    yield _state(outcome)
    yield "</div>"
    yield table("Growth, by the median slope of the second half", HEADS, [_row(one) for one in outcome.trends])
    stretches = "; ".join(f"{fault} from {since:,} to {until:,}" for fault, since, until in outcome.stretches)
    yield f'<p class="soft">Faults of the links between APIs and models, by requests: {escape(stretches)}.</p>'
    limits = "; ".join(
        f"{name}: {one.share:.0%} or {one.room:g} {one.unit} ({one.why})" for name, one in LIMITS.items()
    )
    yield f'<p class="soft">Allowed is the larger of a share of the median and a fixed room. {escape(limits)}.</p>'
    yield f'<p class="soft">{escape(SOURCES)}</p>'


def _plot(gauge: str, trends: Sequence[Trend], processes: Sequence[str]) -> str:
    lines = [
        Line(one.process, one.points, COLOURS[processes.index(one.process) % 4 if one.process in processes else 0])
        for one in trends
    ]
    title, unit = gauge.capitalize(), LIMITS[gauge].unit
    last = max((x for line in lines for x, _ in line.points), default=0.0)
    drawn = line_chart(
        lines,
        title=title,
        description="By requests answered",
        x_title="requests; judged from the dashed line on",
        y_title=unit,
        from_zero=True,
        mark_x=last / 2,
    )
    return figure(drawn, title, unit)


def _state(outcome: Outcome) -> str:
    points = [(float(one.requests), one.state_mib) for one in outcome.readings]
    drawn = line_chart(
        [Line("state", points, "t0")],
        title="All of VAR_DIR",
        description="By requests answered; not judged",
        x_title="requests",
        y_title="MiB",
        from_zero=True,
    )
    return figure(drawn, "All of VAR_DIR", "MiB; what is written is kept, so this is not judged")


def _row(one: Trend) -> list[str]:
    unit = LIMITS[one.gauge].unit
    verdict = '<td class="no">grows</td>' if one.grows else '<td class="ok">flat</td>'
    numbers = (one.level, one.growth, one.at_least, one.allowed)
    return [f"{one.process}, {one.gauge}", *(f"{number:.1f} {unit}" for number in numbers), verdict]


SOURCES = (
    "Slope: H. Theil, A rank-invariant method of linear and polynomial regression analysis (1950); interval: "
    "P. K. Sen, Estimates of the regression coefficient based on Kendall's tau (1968)."
)
