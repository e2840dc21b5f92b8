"""Deadlines and cancellations against a pool of connections, on a healthy server: does the pool survive them?

Sixty callers share ten slots of a service that takes 30 ms, and have 2 to 50 ms each: nearly all of them go away in the
midst of something. Cancelled calls have wedged connection pools for good. The promise: at once afterwards, fifty calls
out of fifty bring the right answer, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from functools import partial

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int, seed
from common.progress import Reporter, progress
from loadtests.experiments.footprint import no_logs
from loadtests.experiments.server import serving
from loadtests.experiments.torture import HEALTHY_CALLS, Run, torture
from loadtests.experiments.torture_clients import BareHttpx, Client, Ours
from loadtests.experiments.verdict import counts, verdict
from loadtests.numbers import seconds

SERVER_MS = 30


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--seconds", type=seconds, default=30.0, metavar="N", help="of torture (default: %(default)g)")
    command.add_argument(
        "--runs", type=positive_int, default=1, metavar="N", help="with one seed after the other (default: 1)"
    )
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the moments (default: %(default)s)")
    command.add_argument(
        "--cancel", action="store_true", help="callers have a second, and are cancelled instead at random moments"
    )
    command.add_argument(
        "--hold-breaker",
        action="store_true",
        help="keep our breaker closed: is it the pool that fails, or the breaker?",
    )
    command.add_argument(
        "--beside-httpx", action="store_true", help="the same with bare httpx; it does not count for the exit code"
    )


def run(arguments: argparse.Namespace) -> int:
    """Tortures and shows; 1 if our promise broke."""
    ours = partial(Ours, hold_breaker=arguments.hold_breaker)
    clients: list[Callable[[str], Client]] = [ours, *([BareHttpx] if arguments.beside_httpx else [])]
    total = len(clients) * arguments.runs
    with no_logs(), progress("pool-torture", total) as reporter:
        runs = asyncio.run(
            _all(clients, arguments.runs, arguments.seed, arguments.seconds, cancel=arguments.cancel, reporter=reporter)
        )
    return _show(runs, Console())


async def _all(
    clients: list[Callable[[str], Client]], runs: int, seed: int, seconds: float, *, cancel: bool, reporter: Reporter
) -> list[Run]:
    done = []
    async with serving("echo", delay_ms=SERVER_MS) as url:
        for seed_now in range(seed, seed + runs):
            for connect in clients:
                done.append(await torture(connect, url, seed=seed_now, seconds=seconds, cancel=cancel))
                reporter.advance()
    return done


def _show(runs: list[Run], console: Console) -> int:
    table = Table("client", "seed", "calls", "healthy", "connections", "tasks", "descriptors", box=SIMPLE_HEAD)
    for one in runs:
        table.add_row(
            one.client,
            str(one.seed),
            str(one.during.total()),
            f"{one.right} of {HEALTHY_CALLS}",
            str(one.connections),
            f"{one.before.tasks} → {one.after.tasks}",
            f"{one.before.descriptors} → {one.after.descriptors}",
        )
    console.print(table)
    for one in runs:
        console.print(
            f"{one.client}, seed {one.seed}: {counts(one.during)}; then: {counts(one.healthy)}; {one.state}",
            soft_wrap=True,
        )
        if one.right < HEALTHY_CALLS:
            recovered = one.recovered_seconds
            console.print("  never right again" if recovered is None else f"  right again after {recovered:.2f} s")
    broken = [sentence for one in runs if one.client == Ours.name for sentence in one.broken()]
    return verdict(broken, console)
