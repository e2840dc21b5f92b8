"""`python -m loadtests overload`: what is still served at many times the load that one core can carry.

The application and its model share one core, the load comes from another. "Once" is what it answers well, and in
time, to callers who wait for their answers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from itertools import islice
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from common.report.html import figure, legend, save_document, table
from common.report.svg import Line, line_chart
from loadtests.bench.cores import staying_on, two_cores
from loadtests.bench.cpu import cpu_s_of
from loadtests.numbers import seconds, times
from loadtests.overload.generator import Shot, Told, Volley, shot_of
from loadtests.overload.verdict import HEADS, Curve, broken, rows
from loadtests.processes import Fleet, Program, free_port
from loadtests.services import api_key, supermegaretail, var_dir
from loadtests.traffic import Caller, Subjects, forecast, read_subjects

TIMES = (0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
BUDGET_MS = 300.0
CALLERS = 8  # of the closed loop that finds out what one core can do
DIFFERENT_ASKS = 300
HORIZON_DAYS = 7
PAUSE_S = 1.0  # between two levels


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = "Needs trained models in VAR_DIR, and two cores. Exit code 1 if a promise about overload broke."
    command.add_argument("--seconds", type=seconds, default=8.0, metavar="S", help="per level (default: %(default)s)")
    command.add_argument("--times", type=times, nargs="+", default=list(TIMES), metavar="X", help="levels of load")
    command.add_argument("--items", type=positive_int, default=1, metavar="N", help="items of a request (default: 1)")
    command.add_argument("--without-plain", action="store_true", help="leave the plain FastAPI application out")
    command.add_argument("--report", type=Path, metavar="FILE", help="an HTML page with the curves")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if a promise broke."""
    console = Console()
    curves = asyncio.run(measured(arguments, console))
    for curve in curves:
        console.print(f"\n{curve.name}: one core answers {curve.capacity:.0f} a second within {BUDGET_MS:.0f} ms")
        console.print(terminal_table(curve))
    sentences = broken(curves[0], budget_ms=BUDGET_MS)
    for sentence in sentences:
        console.print(sentence, style="red")
    if arguments.report is not None:
        save_report(arguments.report, curves, sentences)
        console.print(f"wrote {arguments.report}")
    return int(bool(sentences))


async def measured(arguments: argparse.Namespace, console: Console) -> list[Curve]:
    """Ours first, then the plain application, each alone on its core."""
    load_core, service_core = two_cores()
    ports = {name: str(free_port()) for name in ("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_PORT")}
    service = supermegaretail({**os.environ, **ports})
    for program in (service.api, service.model):
        assert isinstance(program.environment, dict)
        program.environment.update(ports)
    state = var_dir(os.environ)
    subjects = read_subjects(state / "demo.json")
    plain = Program(
        "plain", ("-m", "loadtests.overload.plain_server", str(port := free_port()), str(state / "registry")), port
    )
    applications: list[tuple[str, Sequence[Program], bool]] = [("ours", (service.model, service.api), True)]
    if not arguments.without_plain:
        applications.append(("plain FastAPI", (plain,), False))
    curves = []
    for name, programs, checked in applications:
        with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder)) as fleet:
            with staying_on(service_core):
                for program in programs:
                    fleet.start(program)
                    await fleet.ready(program)
            with staying_on(load_core), console.status(f"{name} under load"):
                shots = shots_for(subjects, arguments.items, programs[-1], checked=checked)
                pids = [fleet.pid(program.name) for program in programs]
                curves.append(await curve_of(name, programs[-1], pids, shots, arguments.times, arguments.seconds))
    return curves


def shots_for(subjects: Subjects, items: int, program: Program, *, checked: bool) -> list[Shot]:
    """Requests for forecasts of so many items each, made once: to make them costs more than to send them."""
    caller = Caller("overload", round(BUDGET_MS), api_key(os.environ))
    groups = [
        tuple(subjects.items[(start + place) % len(subjects.items)] for place in range(items))
        for start in islice(range(0, 10**9, items), DIFFERENT_ASKS)
    ]
    host = f"{program.host}:{program.port}"
    return [shot_of(forecast(group, HORIZON_DAYS, caller), host, checked=checked) for group in groups]


async def curve_of(
    name: str, program: Program, pids: Sequence[int], shots: Sequence[Shot], times: Sequence[float], seconds: float
) -> Curve:
    """What one core can do, then so many times that."""

    def volley() -> Volley:
        return Volley(program.host, program.port, shots, budget_ms=BUDGET_MS)

    await volley().closed(CALLERS, min(2.0, seconds))  # warm
    capacity = (await volley().closed(CALLERS, seconds)).goodput
    levels = {}
    for factor in times:
        await asyncio.sleep(PAUSE_S)
        before_s = sum(map(cpu_s_of, pids))
        levels[factor] = await volley().at_rate(max(1.0, capacity * factor), seconds)
        levels[factor].cpu_s = sum(map(cpu_s_of, pids)) - before_s
    return Curve(name, capacity, levels)


def terminal_table(curve: Curve) -> Table:
    """A line per level."""
    shown = Table(*HEADS, box=SIMPLE_HEAD)
    for row in rows(curve):
        shown.add_row(*row)
    return shown


def save_report(path: Path, curves: Sequence[Curve], sentences: Sequence[str]) -> None:
    """A page with the goodput and the waits of all by the load."""
    parts = [
        "<h1>Overload</h1>",
        "<p>Good answers (well-formed, within the budget) at multiples of what one core can do.</p>",
    ]
    verdict = sentences or ["Every promise about overload held."]
    parts.append(f'<ul class="summary">{"".join(f"<li>{escape(one)}</li>" for one in verdict)}</ul>')
    parts.append(legend([(curve.name, f"t{2 * place}") for place, curve in enumerate(curves)]))
    charts: tuple[tuple[str, str, Callable[[Curve, Told], float]], ...] = (
        ("Goodput, in shares of what one core can do", "share", _of_capacity),
        ("p99 of the accepted", "ms", _accepted_p99_ms),
    )
    drawings = []
    for title, unit, value in charts:
        lines = [
            Line(
                curve.name,
                [(times, value(curve, told)) for times, told in curve.levels.items()],
                f"t{2 * place}",
                dots=True,
            )
            for place, curve in enumerate(curves)
        ]
        drawn = line_chart(
            lines, title=title, description="By the load", x_title="times the capacity", y_title=unit, from_zero=True
        )
        drawings.append(figure(drawn, title))
    parts.append(f'<div class="charts">{"".join(drawings)}</div>')
    parts += [table(curve.name, HEADS, rows(curve)) for curve in curves]
    save_document(path, "Overload", parts)


def _of_capacity(curve: Curve, told: Told) -> float:
    return told.goodput / (curve.capacity or 1.0)


def _accepted_p99_ms(_curve: Curve, told: Told) -> float:
    return told.percentile(told.accepted_ms, 99)
