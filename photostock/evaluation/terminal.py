"""The report on the terminal: what was done, a table of all ways to search, and the findings in words."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from common.report.numbers import number
from photostock.evaluation.report import Report, Situation
from photostock.evaluation.sentences import sentences, what_was_done

WIDE = 132
HEADS = ("recall@1", "recall@10", "recall@50", "MRR@10", "nDCG@10", "95 %", "÷ dense", "CPU ms")


def render(report: Report, console: Console | None = None) -> None:
    """Prints the tables and the findings."""
    if console is None:
        console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(f"{what_was_done(report)}.", markup=False)
    for situation in report.situations:
        console.print(_table(situation))
    for sentence in (*sentences(report), *(f"Note: {note}." for note in report.notes)):
        console.print(sentence, markup=False)


def _table(situation: Situation) -> Table:
    table = Table(title=f"{situation.questions:,} queries {situation.name}")
    table.add_column("search")
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    kind = situation.lines[0].kind
    for line in situation.lines:
        if line.kind != kind:
            table.add_section()
        kind, quality = line.kind, line.quality
        shares = (quality.recall_1, quality.recall_10, quality.recall_50, quality.mrr_10, quality.ndcg_10.value)
        between = f"{number(quality.ndcg_10.low)} – {number(quality.ndcg_10.high)}"
        figures = (between, number(line.to_dense.value), number(line.cpu_ms, 1))
        table.add_row(line.name, *map(number, shares), *figures)
    return table
