"""`python -m loadtests soak`: an hour's worth of traffic at speed; 1 if anything grew that should stand still."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import between, seed
from loadtests.murphy.asks import RATES
from loadtests.murphy.command import traffic_over
from loadtests.murphy.house import House, copy_of, own_services
from loadtests.murphy.ledger import Checker
from loadtests.murphy.trial import PHOTOS
from loadtests.processes import Fleet
from loadtests.services import api_key, var_dir
from loadtests.soak.drive import Soak
from loadtests.soak.judge import LIMITS
from loadtests.soak.outcome import Outcome, outcome_of
from loadtests.soak.page import save_page
from loadtests.traffic import Subjects, read_subjects

REQUESTS, SAMPLES = 36_000, 120
DELETES_AS_ADDS = {"photos delete": 1.0}  # else the index grows, as it should


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--requests",
        type=between(int, 200, 10_000_000),
        default=REQUESTS,
        metavar="N",
        help="default: %(default)s, an hour's worth at 10/s",
    )
    command.add_argument("--seed", type=seed, default=1, metavar="N", help="of the traffic (default: %(default)s)")
    command.add_argument("--report", type=Path, metavar="FILE", help="an HTML page (default: VAR_DIR/soak.html)")
    command.epilog = "Processes of its own work on a copy of VAR_DIR, on free ports. Exit code 1 if anything grew."


def run(arguments: argparse.Namespace) -> int:
    """0 if everything stood still and every answer was right, else 1."""
    console, state = Console(), var_dir(os.environ)
    subjects = read_subjects(state / "demo.json")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Fleet(Path(folder) / "logs") as fleet:
        copy = copy_of(state, Path(folder) / "var")
        house = House(own_services(os.environ, copy), var_dir=copy, fleet=fleet)
        with _live_line(console) as show:
            outcome = asyncio.run(soaked(house, subjects, requests=arguments.requests, seed=arguments.seed, show=show))
    report = arguments.report or state / "soak.html"
    save_page(outcome, report)
    console.print(terminal_table(outcome))
    console.print(outcome.told, style="bold red" if outcome.broken else "bold green", highlight=False, soft_wrap=True)
    for sentence in outcome.broken:
        console.print(f"  broken: {sentence}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Told in full: {report}", highlight=False, soft_wrap=True)
    return int(bool(outcome.broken))


async def soaked(
    house: House, subjects: Subjects, *, requests: int, seed: int = 1, show: Callable[[str], None] = lambda _line: None
) -> Outcome:
    """Opens the house, sends so many requests and says what grew; `show` gets a line now and then."""
    key = api_key(os.environ)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with house.open():
        traffic = await traffic_over(house.services, subjects, headers, seed=seed, api_key=key)
        urls = {name: service.api.url for name, service in house.services.items()}
        lanes = [
            replace(lane, per_second=DELETES_AS_ADDS.get(kind, lane.per_second))
            for kind, lane in zip(RATES, traffic.lanes(urls), strict=True)
        ]
        soak = Soak(house, lanes, requests, min(SAMPLES, requests // 10), seed, show)
        await soak.run()
        database = house.var_dir / "state.sqlite3"
        checker = Checker(traffic.ledger, urls[PHOTOS], database if database.exists() else None, headers)
        return outcome_of(soak, [*await checker.check(), *house.fleet.bury()])


@contextmanager
def _live_line(console: Console) -> Iterator[Callable[[str], None]]:
    """On a terminal a line that moves; elsewhere nothing."""
    if not console.is_terminal:
        yield lambda _line: None
        return
    with console.status("starting") as status:
        yield status.update


def terminal_table(outcome: Outcome) -> Table:
    """A line per gauge."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in ("process", "gauge", "median", "growth", "allowed", ""):
        table.add_column(title, no_wrap=True)
    for one in outcome.trends:
        unit, verdict = LIMITS[one.gauge].unit, "[bold red]grows" if one.grows else "[green]flat"
        numbers = (f"{value:.1f} {unit if unit == 'MiB' else ''}" for value in (one.level, one.growth, one.allowed))
        table.add_row(one.process, one.gauge, *numbers, verdict)
    return table
