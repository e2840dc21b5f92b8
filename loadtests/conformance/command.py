"""`python -m loadtests conformance`: clients against faults."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests.conformance.adapters import ADAPTERS, OURS, Adapter, UnknownClientError, adapter_of
from loadtests.conformance.faults import ROWS, Row, row_of
from loadtests.conformance.report import Findings, as_json, details_table, markdown, repeated, summary_table
from loadtests.conformance.runner import run_cell
from loadtests.conformance.verdict import Cell, Limits


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options; see the package's docstring for how to bring a client of your own."""
    command.epilog = (
        "Exit code 1 if a client named by --client (without one: common) is unusable under any fault, or not installed."
    )
    command.add_argument(
        "--client",
        action="append",
        type=_client,
        metavar="NAME",
        help=f"one of {', '.join(adapter.name for adapter in ADAPTERS)}, or your own as package.module:function; "
        "may be repeated (default: all that are installed)",
    )
    names = [row.name for row in ROWS]
    command.add_argument(
        "--fault", action="append", choices=names, metavar="NAME", help="see `faults`; also ok, unknown_host, no_route"
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write every figure here")
    command.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here")


def _client(name: str) -> Adapter:
    try:
        return adapter_of(name)
    except UnknownClientError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(arguments: argparse.Namespace) -> int:
    """Measures, shows and writes; the exit code is the verdict on the clients that were asked for."""
    console, named = Console(), tuple(arguments.client or ())
    rows = tuple(row_of(name) for name in arguments.fault) if arguments.fault else ROWS
    findings = asyncio.run(measure(named or ADAPTERS, rows, Limits(), console=console))
    for client in findings.clients:
        if named or client == OURS:
            console.print(details_table(findings, client))
    console.print(summary_table(findings))
    if arguments.json is not None:
        arguments.json.write_text(as_json(findings))
    if arguments.markdown is not None:
        arguments.markdown.write_text(markdown(findings))
    return verdict(findings, judged=[adapter.name for adapter in named] or [OURS])


def verdict(findings: Findings, *, judged: Sequence[str]) -> int:
    """The exit code: 0 if every judged client was there and usable under every fault."""
    return int(any(name in findings.skipped or findings.unusable(name) for name in judged))


async def measure(adapters: Sequence[Adapter], rows: Sequence[Row], limits: Limits, *, console: Console) -> Findings:
    """All cells, one after the other: two at a time would disturb each other's clocks."""
    present = [adapter for adapter in adapters if adapter.installed]
    missing = [adapter for adapter in adapters if not adapter.installed]
    for adapter in missing:
        told = f"SKIPPED: {adapter.name}, {adapter.module} is not installed (see `peers` in pyproject.toml)"
        console.print(told, style="bold yellow", soft_wrap=True)
    cells: list[Cell] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Drawn between the cells only: a spinner would take the processor from what is measured.
    with Progress(*columns, console=console, auto_refresh=False, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(present) * len(rows))
        for adapter in present:
            for row in rows:
                progress.update(task, description=f"{adapter.name}: {row.name}", refresh=True)
                cells.append(await run_cell(adapter, row, limits))
                if (again := repeated(cells[-1])) is not None:
                    console.print(again, style="yellow", soft_wrap=True)
                progress.advance(task)
            if not console.is_terminal:
                console.print(f"{adapter.name}: {len(rows)} faults done")
    return Findings(tuple(cells), tuple(adapter.name for adapter in missing), limits)
