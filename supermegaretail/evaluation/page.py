"""The report as one HTML page: no scripts, nothing loaded from anywhere, readable on a phone, on paper and by ear."""

from __future__ import annotations

from html import escape
from pathlib import Path

from common.report.html import document, legend, save_document
from supermegaretail.evaluation.charts import (
    case_chart,
    case_legend,
    coverage_chart,
    horizon_chart,
    pinball_chart,
    shown_tiers,
    style_of,
)
from supermegaretail.evaluation.html_tables import coverage_table, money_table, slices_table, tiers_table
from supermegaretail.evaluation.report import Report
from supermegaretail.evaluation.words import about, name, sentences, what_was_done

TITLE = "What each tier is worth"
READING = (
    "WAPE is the sum of absolute errors ÷ the sum of sales. A ratio below 1 beats the moving average. “When it answers "
    "alone” is what it costs in WAPE, against the best of our tiers, when only this tier answers. wRMSSE weighs series "
    "by their revenue of the last 28 days. The last columns are the widths of two intervals ÷ mean sales, and the CPU "
    "seconds of forecasting; a peer's include its learning."
)
COVERAGE = (
    "A level's shortfall is how far, in points, it lies outside of the share of days below and the share at or below "
    "the quantile. Marked °: the tier gives no quantiles; its mean plus the spread of its errors after the earlier "
    "origin stands in for them, so the first origin is not judged here."
)
MONEY = (
    "If every day's order went up to the quantile of that level: what is left over and what is lost, as shares of the "
    "units sold, and of the turnover where prices are known. Each day stands for itself."
)


def page(report: Report) -> str:
    """The whole page."""
    return document(TITLE, _parts(report))


def save_page(report: Report, path: Path) -> None:
    """Writes the page; makes the folder."""
    save_document(path, TITLE, _parts(report))


def _parts(report: Report) -> list[str]:
    parts = [_summary(report), f"<h2>Tiers</h2><p>{escape(READING)}</p>"]
    parts += [_tiers(report, scope) for scope in report.scopes]
    last = report.scopes[-1]  # the one with peers, where there are any
    parts += [_quantiles(report, last), _slices(report), _cases(report)]
    return parts


def _summary(report: Report) -> str:
    told = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences(report))
    notes = "".join(f"<p><strong>Note:</strong> {escape(note)}.</p>" for note in report.notes)
    return f'<h1>{TITLE}</h1><p class="soft">{escape(what_was_done(report))}.</p><ul class="summary">{told}</ul>{notes}'


def _tiers(report: Report, scope: str) -> str:
    drawn = horizon_chart(report, scope)
    key = legend([(name(tier), style_of(tier)) for tier in shown_tiers(report, scope)])
    return (
        f"<h3>Over {escape(about(report, scope))}</h3>"
        f"{tiers_table(report, scope, 'all days of the horizon, best tier first')}{key}"
        f'<div class="charts">{drawn}</div>'
    )


def _quantiles(report: Report, scope: str) -> str:
    if report.quantiles.is_empty():
        return ""
    key = legend([(name(tier), style_of(tier)) for tier in shown_tiers(report, scope)])
    return (
        f"<h2>Quantiles: {escape(about(report, scope))}</h2><p>{escape(COVERAGE)}</p>{key}"
        f'<div class="charts">{coverage_chart(report, scope)}{pinball_chart(report, scope)}</div>'
        f"{coverage_table(report, scope, 'shortfall of coverage, in points, by level')}"
        f"<h2>Money: {escape(about(report, scope))}</h2><p>{escape(MONEY)}</p>"
        f"{money_table(report, scope, 'left over and lost by service level')}"
    )


def _slices(report: Report) -> str:
    told = "".join(
        slices_table(report, scope, f"WAPE ÷ that of the moving average; {about(report, scope)}")
        for scope in report.scopes
    )
    return f"<h2>Parts and slices</h2><p>Green beats the moving average, red loses to it.</p>{told}"


def _cases(report: Report) -> str:
    if not report.cases:
        return ""
    first = report.cases[0]
    band = " The shaded band is the correction's 0.25 to 0.95 quantile." if first.band is not None else ""
    drawn = "".join(case_chart(case) for case in report.cases)
    told = f"Eight weeks before {first.as_of}, the last origin, and the days after it.{band}"
    return f'<h2>Best, worst and at the corners</h2><p>{told}</p>{case_legend(first)}<div class="charts">{drawn}</div>'
