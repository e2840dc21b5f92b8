"""The scoreboard as one HTML page: the verdict, charts over all faults, and each fault by endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from common.report.html import figure, legend, save_document, table
from common.report.svg import Line, line_chart
from loadtests.murphy.results import Result, Row
from loadtests.murphy.scoreboard import (
    broken_overall,
    detected_seconds,
    excuse,
    number,
    p99_ms,
    seconds_of,
    verdict,
)

STYLE = """
.ok { color: rgb(var(--good)); } .no { color: rgb(var(--bad)); font-weight: 700; }
details { border-top: 1px solid var(--rule); padding: 6px 0; } summary { cursor: pointer; padding: 4px 0; }
td.text { text-align: left; white-space: normal; min-width: 16rem; }
"""
MOST_ALERTS = 4
HEADS = (
    *("endpoint", "requests", "well-formed", "refused rightly", "in budget", "degraded", "served by"),
    *("p50 ms", "p95 ms", "p99 ms", "p99.9 ms"),
)


def save_page(results: Sequence[Result], path: Path, *, seed: int, seconds: float) -> None:
    """Writes the page; makes the folder."""
    save_document(path, "Murphy: every fault, under load", _parts(results, seed, seconds), style=STYLE)


def _parts(results: Sequence[Result], seed: int, seconds: float) -> Iterator[str]:
    yield "<h1>Every fault, under load</h1>"
    yield f"<p>{escape(verdict(results))}.</p>"
    yield f'<p class="soft">{len(results)} faults of {seconds:g} s each, seed {seed}. {escape(excuse(results))}</p>'
    broken = [*broken_overall(results), *(f"{one.name}: {sentence}" for one in results for sentence in one.broken)]
    if broken:
        yield "<h2>Broken promises</h2>"
        yield f'<ul class="summary">{"".join(f"<li>{escape(one)}</li>" for one in broken)}</ul>'
    yield f'<h2>All faults</h2><div class="charts">{"".join(_charts(results))}</div>'
    yield table(
        "Faults by number, as in the charts", _heads(), [_fault(place, one) for place, one in _numbered(results)]
    )
    yield "<h2>Each fault by endpoint</h2>"
    yield from (_details(place, one) for place, one in _numbered(results))


def _numbered(results: Sequence[Result]) -> list[tuple[int, Result]]:
    return list(enumerate(results, 1))


def _heads() -> tuple[str, ...]:
    counted = ("requests", "well-formed", "in budget", "degraded", "slowest p99 ms", "first degraded answer s")
    return ("fault", *counted, "back at full quality s", "lost", "promises", "what it is")


def _fault(place: int, one: Result) -> list[str]:
    degraded = sum(row.figures.degraded for row in one.rows)
    return [
        f"{place}. {one.name}",
        f"{one.requests:,}",
        f"{one.well_formed:,}",
        f"{one.in_budget:,}",
        f"{degraded / max(1, one.requests):.0%}",
        number(p99_ms(one), 0),
        number(detected_seconds(one), 2),
        number(seconds_of(one.back_after), 1),
        str(len(one.lost)),
        '<td class="no">broken</td>' if one.broken else '<td class="ok">kept</td>',
        f'<td class="text">{escape(one.sentence)}</td>',
    ]


def _charts(results: Sequence[Result]) -> Iterator[str]:
    yield _percentiles(results)
    yield _dots(
        results, "Back at full quality", "seconds after the fault's end", lambda one: seconds_of(one.back_after)
    )
    yield _dots(results, "First degraded answer", "seconds after the fault's beginning", detected_seconds)
    yield _dots(
        results,
        "Degraded answers",
        "% of all",
        lambda one: 100 * sum(row.figures.degraded for row in one.rows) / max(1, one.requests),
    )


def _back_seconds(one: Result) -> float:
    return seconds_of(one.back_after)


def _dots(results: Sequence[Result], title: str, unit: str, value: Callable[[Result], float]) -> str:
    points = [(float(place), value(one)) for place, one in _numbered(results)]
    drawn = line_chart(
        [Line(title, points, "t0", dots=True, joined=False)],
        title=title,
        description=f"{title} by fault, {unit}",
        x_title="number of the fault",
        y_title=unit,
        from_zero=True,
    )
    return figure(drawn, title, unit)


def _percentiles(results: Sequence[Result]) -> str:
    names = (("p50", "t1"), ("p95", "t5"), ("p99", "t2"))
    values: dict[str, Callable[[Row], float]] = {
        "p50": lambda row: row.figures.p50_ms,
        "p95": lambda row: row.figures.p95_ms,
        "p99": lambda row: row.figures.p99_ms,
    }
    lines = [
        Line(name, [(float(place), _worst(one, values[name])) for place, one in _numbered(results)], style, dots=True)
        for name, style in names
    ]
    drawn = line_chart(
        lines,
        title="Time to answer",
        description="p50, p95 and p99 of the slowest endpoint by fault, in milliseconds",
        x_title="number of the fault",
        y_title="ms",
        from_zero=True,
    )
    return figure(drawn, "Time to answer", "slowest endpoint, ms") + legend(names) if drawn else ""


def _worst(one: Result, value: Callable[[Row], float]) -> float:
    return max((value(row) for row in one.rows if row.figures.requests), default=math.nan)


def _details(place: int, one: Result) -> str:
    told = '<span class="no">broken</span>' if one.broken else '<span class="ok">kept</span>'
    alerts = [f"{name}: {', '.join(moved[:MOST_ALERTS])}" for name, moved in one.alerts.items() if moved]
    lines = [*one.broken, *(f"metrics that moved, {sentence}" for sentence in alerts)]
    listed = f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
    rows = [_endpoint(row) for row in one.rows]
    return (
        f"<details{' open' if one.broken else ''}><summary>{place}. {escape(one.name)} ({one.level}): {told}</summary>"
        f"<p>{escape(one.sentence)}</p>{listed}{table(one.name, HEADS, rows)}</details>"
    )


def _endpoint(row: Row) -> list[str]:
    figures = row.figures
    tiers = ", ".join(f"{name} {share:.0%}" for name, share in figures.tiers)
    times = (figures.p50_ms, figures.p95_ms, figures.p99_ms, row.p999_ms)
    return [
        row.kind,
        f"{figures.requests:,}" + (f" (+{row.away} while restarted)" if row.away else ""),
        f"{figures.well_formed:,}",
        f"{row.refused:,}",
        f"{figures.in_budget:,}",
        f"{figures.degraded_share:.0%}",
        tiers or "–",
        *(number(value, 0) for value in times),
    ]
