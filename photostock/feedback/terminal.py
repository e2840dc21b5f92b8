"""The report on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from common.report.numbers import percent
from photostock.feedback.report import FeedbackReport, Rate


def render(report: FeedbackReport, console: Console | None = None) -> None:
    """Prints a table by place, one by tier, and what they rest on."""
    console = console or Console()
    days = f"{report.first_day or 'the first day kept'} to {report.last_day or 'today'}"
    told = ", ".join(f"{count:,} {kind}s" for kind, count in report.events.items())
    console.print(f"{days}: {told}.")
    looked_at = {str(place): value for place, value in enumerate(report.propensities, 1)}
    console.print(_table("place", {**report.by_position, "all": report.whole}, looked_at))
    console.print(_table("tier", report.by_tier, {}))
    console.print(
        f"How likely a place is seen, against the first: from {report.propensities_from:,} photos that stood at "
        "more than one place for the same query, else 1 / place is assumed."
    )


def _table(what: str, rates: Mapping[str, Rate], looked_at: Mapping[str, float]) -> Table:
    table = Table(caption="a showing: one photo, one person, one query, one day")
    table.add_column(what)
    for name in ("shown", "clicked", "downloaded", "click-through", "95 %", *(["seen"] if looked_at else [])):
        table.add_column(name, justify="right")
    for name, rate in rates.items():
        seen = [f"{looked_at[name]:.2f}" if name in looked_at else ""] if looked_at else []
        interval = f"{percent(rate.low)} – {percent(rate.high)}"
        counted = (f"{count:,}" for count in (rate.shown, rate.clicked, rate.downloaded))
        table.add_row(name, *counted, percent(rate.click_through), interval, *seen)
    return table
