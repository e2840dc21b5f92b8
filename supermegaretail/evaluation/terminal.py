"""The report on the terminal: one table of tiers, one of what they cost in stock, and the findings in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from common.report.numbers import number, percent
from supermegaretail.evaluation.report import Report
from supermegaretail.evaluation.words import about, name, sentences, what_was_done

WIDE = 132  # characters that the whole table takes; a narrower terminal gets its most telling columns
FIGURES = ("WAPE", "÷ mov. avg", "÷ MA7", "÷ MA28", "bias", "RMSSE", "wRMSSE", "÷ MA28", "price", "CPU s")
TELLING = (0, 1, 4, 6, 8)  # of FIGURES


def render(report: Report, console: Console | None = None) -> None:
    """Prints the tables, the best tier of each part in bold, and the summary."""
    if console is None:
        console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(f"{what_was_done(report)}.")
    columns = range(len(FIGURES)) if console.width >= WIDE else TELLING
    for scope in report.scopes:
        console.print(_tiers(report, scope, columns))
    if not report.money.is_empty():
        console.print(_money(report, report.scopes[-1]))
    for sentence in (*sentences(report), *(f"Note: {note}." for note in report.notes)):
        console.print(sentence, markup=False)  # names from the data, and [extras] to install


def _tiers(report: Report, scope: str, columns: Sequence[int]) -> Table:
    shown = Table(title=f"each tier on days that the models have not seen: {about(report, scope)}")
    shown.add_column("days", no_wrap=True)
    shown.add_column("tier")
    for column in columns:
        shown.add_column(FIGURES[column], justify="right", no_wrap=True)
    figures = report.figures.filter((pl.col("scope") == scope) & (pl.col("kind") != "slice"))
    seconds = dict(report.seconds.filter(pl.col("scope") == scope).select("tier", "cpu_seconds").iter_rows())
    for part in figures["part"].unique(maintain_order=True):
        rows = figures.filter(pl.col("part") == part).sort("wape")
        for place, row in enumerate(rows.iter_rows(named=True)):
            cells = _cells(row, number(seconds[row["tier"]], 1) if row["kind"] == "whole" else "")
            shown.add_row(
                "" if place else part.removeprefix("days ").removesuffix(" days"),
                name(row["tier"]),
                *(cells[column] for column in columns),
                style="" if place else "bold",
                end_section=place == rows.height - 1,
            )
    return shown


def _cells(row: dict[str, Any], cpu_seconds: str) -> tuple[str, ...]:
    """A row's FIGURES."""
    return (
        number(row["wape"]),
        *(number(row[f"wape_ratio_{base}"]) for base in ("average", "ma7", "ma28")),
        number(row["bias"], sign=True),
        *(number(row[figure]) for figure in ("rmsse", "wrmsse", "wrmsse_ratio_ma28")),
        percent(row["price"], sign=True),
        cpu_seconds,
    )


def _money(report: Report, scope: str) -> Table:
    shown = Table(
        title=f"ordering up to the quantile: left over / lost, in % of the units sold; {about(report, scope)}"
    )
    money = report.money.filter(pl.col("scope") == scope)
    shown.add_column("tier")
    levels = money["level"].unique().sort().to_list()
    for level in levels:
        shown.add_column(f"{level:g}", justify="right", no_wrap=True)
    for tier in money["tier"].unique(maintain_order=True):
        rows = money.filter(pl.col("tier") == tier).sort("level").to_dicts()
        own = "" if rows[0]["source"] == "model" else " °"
        cells = (f"{number(100 * row['overstock'], 1)} / {number(100 * row['lost'], 1)}" for row in rows)
        shown.add_row(f"{name(tier)}{own}", *cells)
    shown.caption = "° mean + spread of the errors after the earlier origin"
    return shown
