"""`python -m loadtests bench-client`: the clients against each other on a healthy server."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.command_line import positive_int, seed
from loadtests.bench.cores import staying_on, two_cores
from loadtests.bench.ratios import FIGURES, TARGETS, compare, misses
from loadtests.bench.timing import LOADS, Load, Round, WrongAnswerError, play_rounds
from loadtests.conformance.adapters import ADAPTERS, OURS, Adapter
from loadtests.processes import Fleet, Program, free_port

BASE = "httpx"
AGAIN = "httpx (again)"  # the same once more: how far its ratio is from 1 is how much the machine disturbs
LEFT_OUT = {"httpx-retries", "httpx+asyncio.timeout"}  # as httpx, but for what failures do
TIMEOUT_MS = 10_000  # nobody fails here; httpx with 32 callers needs more than the 200 ms of the faults


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    known = {adapter.name: adapter for adapter in ADAPTERS if adapter.name not in LEFT_OUT}
    command.epilog = "Exit code 1 if our client costs more than its targets, or is not among the clients."
    command.add_argument("--rounds", type=positive_int, default=12, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the order in a round (default: 7)")
    command.add_argument(
        "--clients",
        nargs="+",
        choices=sorted(known),
        default=list(known),
        metavar="NAME",
        help=f"some of {', '.join(known)}; {BASE} always takes part (default: all)",
    )
    command.add_argument(
        "--quick", action="store_true", help="a tenth of the calls: shows that it works, proves little"
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the timing of every round here")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if we are over a target."""
    console, chosen = Console(), {BASE, *arguments.clients}
    adapters = [adapter for adapter in ADAPTERS if adapter.name in chosen]
    present = [adapter for adapter in adapters if adapter.installed]
    skipped = [adapter.name for adapter in adapters if not adapter.installed]
    for name in skipped:
        console.print(f"SKIPPED: {name} is not installed (see `peers` in pyproject.toml)", style="bold yellow")
    loads = [load.shortened() for load in LOADS] if arguments.quick else LOADS
    try:
        rounds = asyncio.run(_measure(present, loads, rounds=arguments.rounds, seed=arguments.seed, console=console))
    except WrongAnswerError as wrong:
        console.print(f"not comparable: {wrong}", style="red")
        return 1
    names = [adapter.name for adapter in present]
    console.print(f"{len(rounds)} rounds; ratio: to {BASE} in the same round, median and quartiles")
    for load in LOADS:
        console.print(results_table(rounds, load, [BASE, AGAIN, *(name for name in names if name != BASE)], skipped))
    if arguments.json is not None:
        arguments.json.write_text(as_json(rounds, skipped))
    if OURS not in names:
        console.print(f"{OURS} did not take part: nothing was proved", style="bold red")
        return 1
    over = misses(rounds, OURS, base=BASE)
    for sentence in over:
        console.print(sentence, style="red")
    if not over:
        console.print(f"{OURS} keeps all {len(TARGETS)} targets", style="green")
    return int(bool(over))


async def _measure(
    adapters: Sequence[Adapter], loads: Sequence[Load], *, rounds: int, seed: int, console: Console
) -> list[Round]:
    client_core, server_core, port = *two_cores(), free_port()
    server = Program("echo", ("-m", "loadtests.bench.server", str(port), str(server_core)), port)
    with tempfile.TemporaryDirectory() as logs, Fleet(Path(logs)) as fleet, staying_on(client_core):
        fleet.start(server)
        await fleet.ready(server)
        clients = {adapter.name: await adapter.load()(server.url, TIMEOUT_MS) for adapter in adapters}
        clients[AGAIN] = await next(a for a in adapters if a.name == BASE).load()(server.url, TIMEOUT_MS)

        def tell(number: int) -> None:
            if number == 0 or console.is_terminal:
                console.print(f"round {number + 1} of {rounds}", end="\r" if console.is_terminal else "\n")

        played = await play_rounds(clients, rounds=rounds, seed=seed, loads=loads, told=tell)
        # Adapters have no way to close: the end of the process does it, and aiohttp need not complain about that.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        return played


def results_table(rounds: Sequence[Round], load: Load, clients: Sequence[str], skipped: Sequence[str]) -> Table:
    """A line per client under one load: the medians, and their ratios to bare httpx."""
    table = Table(f"{load.callers} at once", "p50 ms", "ratio", "CPU µs", "ratio", box=SIMPLE_HEAD)
    for client in clients:
        cells = []
        for figure in FIGURES:
            found = compare(rounds, client, base=BASE, load=load.name, figure=figure)
            shown = f"{found.absolute:.2f}" if figure == "p50_ms" else f"{found.absolute:.0f}"
            cells += [Text(shown), Text(f"{found.ratio:.2f} [{found.lower:.2f}-{found.upper:.2f}]")]
        table.add_row(Text(client, style="bold" if client == OURS else ""), *cells)
    for client in skipped:
        table.add_row(Text(client), Text("SKIPPED: not installed", style="bold yellow"))
    return table


def as_json(rounds: Sequence[Round], skipped: Sequence[str]) -> str:
    """The timing of every round."""
    played = [
        [{"client": client, "load": load, **asdict(timing)} for (client, load), timing in timings.items()]
        for timings in rounds
    ]
    return json.dumps({"skipped": list(skipped), "rounds": played}, indent=2)
