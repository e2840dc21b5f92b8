"""The report on a terminal: findings by gravity, and the columns' ranges."""

from __future__ import annotations

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from supermegaretail.quality.findings import Finding, Report, percent

STYLES = {"stop": "bold red", "warn": "yellow", "note": "dim", "fine": "green"}
VERDICTS = {
    "fine": "fine: nothing that a training should fear",
    "warn": "usable: look at the warnings",
    "stop": "stopped: no model should be trained on this",
}


def show(report: Report, console: Console) -> None:
    """Prints the whole report."""
    console.print(_headline(report))
    if report.findings:
        console.print(_findings_table(report.findings))
    console.print(_ranges_table(report.ranges))
    console.print(_verdict(report))


def show_briefly(report: Report, console: Console) -> None:
    """Prints what stops or warns, and the verdict."""
    if grave := [finding for finding in report.findings if finding.level != "note"]:
        console.print(_findings_table(grave))
    console.print(_verdict(report))


def _headline(report: Report) -> Text:
    span = f"{report.first_day} to {report.last_day} sold" if report.last_day else "nothing sold"
    return Text(f"{report.rows:,} rows, {report.series:,} series, {span}")


def _verdict(report: Report) -> Text:
    counts = ", ".join(f"{len(found)} {level}" for level in ("stop", "warn", "note") if (found := report.of(level)))
    return Text.assemble(
        ("data quality ", ""), (VERDICTS[report.verdict], STYLES[report.verdict]), f" ({counts or 'no finding'})"
    )


def _findings_table(findings: tuple[Finding, ...] | list[Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("level", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("what was found")
    for finding in findings:
        told = Text(finding.text)
        if finding.examples:
            told.append("\ne.g. " + "; ".join(map(str, finding.examples)), style="dim")
        table.add_row(Text(finding.level, style=STYLES[finding.level]), finding.check, told)
    return table


def _ranges_table(ranges: pl.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("column", "missing", "distinct", "min", "1 %", "median", "99 %", "max"):
        table.add_column(name, justify="left" if name == "column" else "right")
    for name, missing, distinct, *numbers in ranges.iter_rows():
        shown = ("" if number is None else f"{number:,.4g}" for number in numbers)
        table.add_row(name, percent(missing), "" if distinct is None else f"{distinct:,}", *shown)
    return table
