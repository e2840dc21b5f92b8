"""The findings for people and for programs: tables on a terminal, Markdown, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from loadtests.conformance.verdict import Cell, Limits

COLUMNS = ("client", "usable", "back in time", "no raise", "no wrong value", "memory", "event loop")


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was measured in one run; `skipped` are clients that are not installed here."""

    cells: tuple[Cell, ...]
    skipped: tuple[str, ...]
    limits: Limits

    def of(self, client: str) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.client == client)

    @property
    def clients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.client for cell in self.cells))

    @property
    def faults(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.fault for cell in self.cells))

    def unusable(self, client: str) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.of(client) if not cell.usable(self.limits))


def summary(findings: Findings) -> Iterator[tuple[str, ...]]:
    """A line per client: in how many cells it kept each promise. The columns are `COLUMNS`."""
    limits = findings.limits
    for client in findings.clients:
        cells = findings.of(client)
        yield (
            client,
            f"{len(cells) - len(findings.unusable(client))} of {len(cells)}",
            _count(
                c.measured.ended not in {"unfit", "never"} and c.measured.elapsed_ms <= limits.back_within_ms
                for c in cells
            ),
            _count(c.measured.ended not in {"raised", "unfit", "never"} for c in cells),
            _count(c.measured.ended not in {"wrong", "unfit", "never"} for c in cells),
            _count(c.measured.growth_mb is not None and c.measured.growth_mb < limits.growth_mb for c in cells),
            _count(c.measured.stall_ms is not None and c.measured.stall_ms < limits.stall_ms for c in cells),
        )


def _count(kept: Iterable[bool]) -> str:
    return str(sum(kept))


def cell_text(cell: Cell, limits: Limits) -> str:
    """A cell in a few words: what the caller got and when, and everything that is too much."""
    measured = cell.measured
    if measured.ended in {"never", "unfit"}:
        return f"✗ {cell.complaints(limits)[0]}"
    got = {
        "right": "value",
        "default": "default",
        "told": measured.detail,
        "wrong": f"WRONG VALUE ({measured.detail})",
        "raised": f"raised {measured.detail}",
    }[measured.ended]
    extra = [text for text in cell.complaints(limits) if text.startswith(("+", "loop"))]
    mark = "" if cell.usable(limits) else "✗ "
    return mark + ", ".join([f"{got} {measured.elapsed_ms:.0f} ms", *extra])


def repeated(cell: Cell) -> str | None:
    """A sentence on a cell that was measured more than once, None for the others."""
    if cell.tries == 1:
        return None
    return f"{cell.client}: {cell.fault}: measured {cell.tries} times, because time was all that was wrong before"


def legend(limits: Limits) -> str:
    """What the columns mean."""
    return (
        f"timeout {limits.timeout_ms} ms for all; usable: no exception, back within {limits.back_within_ms:.0f} ms, "
        f"no wrong value as success, under {limits.growth_mb:g} MB more memory, event loop still for under "
        f"{limits.stall_ms:g} ms; given up after {limits.cap_ms} ms"
    )


def summary_table(findings: Findings) -> Table:
    """For a terminal: all clients, and those that are missing."""
    table = Table(*COLUMNS, box=SIMPLE_HEAD, caption=legend(findings.limits), caption_justify="left")
    for line in summary(findings):
        good = not findings.unusable(line[0])
        table.add_row(Text(line[0], style="bold"), Text(line[1], style="green" if good else "red"), *line[2:])
    for client in findings.skipped:
        table.add_row(Text(client, style="bold"), Text("SKIPPED: not installed", style="bold yellow"))
    return table


def details_table(findings: Findings, client: str) -> Table:
    """For a terminal: every fault of one client with all figures."""
    table = Table(client, "what the caller got", "back ms", "memory MB", "longest stall ms", "", box=SIMPLE_HEAD)
    for cell in findings.of(client):
        measured, usable = cell.measured, cell.usable(findings.limits)
        figures = (_number(measured.elapsed_ms), _number(measured.growth_mb), _number(measured.stall_ms))
        got = " ".join([measured.ended, measured.detail]).strip()
        verdict = Text("usable", style="green") if usable else Text("; ".join(cell.complaints(findings.limits)), "red")
        table.add_row(cell.fault, got, *figures, verdict)
    return table


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"


def markdown(findings: Findings) -> str:
    """Both tables as a Markdown document."""
    parts = [
        "# Conformance of HTTP clients with a misbehaving server",
        f"{legend(findings.limits)}. ✗: a caller could not live with it.",
        _markdown_table(COLUMNS, summary(findings)),
        *(f"**{client}: SKIPPED, it is not installed.**" for client in findings.skipped),
        _markdown_table(("fault", *findings.clients), _matrix(findings)),
    ]
    return "\n\n".join(parts) + "\n"


def _matrix(findings: Findings) -> Iterator[Sequence[str]]:
    found = {(cell.fault, cell.client): cell_text(cell, findings.limits) for cell in findings.cells}
    for fault in findings.faults:
        yield (f"`{fault}`", *(found.get((fault, client), "not run") for client in findings.clients))


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(text.replace('|', '/') for text in line)} |" for line in lines)


def as_json(findings: Findings) -> str:
    """Every figure, with the verdicts."""
    document = {
        "limits": asdict(findings.limits),
        "skipped": findings.skipped,
        "cells": [{**asdict(cell), "complaints": cell.complaints(findings.limits)} for cell in findings.cells],
    }
    return json.dumps(document, indent=2)
