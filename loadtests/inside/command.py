"""`python -m loadtests kill-loop`."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from rich.console import Console

from common.progress import progress
from loadtests.experiments.verdict import verdict
from loadtests.inside.kill_loop import SERVICES, Life, kill_again_and_again


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--kills", type=int, default=300, metavar="N", help="in all (default: %(default)s)")
    command.add_argument("--seed", type=int, default=7, metavar="N", help="of the moments (default: %(default)s)")
    command.add_argument("--services", nargs="+", choices=SERVICES, default=list(SERVICES), help="default: both")
    command.add_argument(
        "--database-url",
        default="",
        metavar="URL",
        help="an empty PostgreSQL database (default: SQLite, in a new folder)",
    )
    command.epilog = "The state is new and thrown away. Exit code 1 if anything was lost, came back, or did not start."


def run(arguments: argparse.Namespace) -> int:
    """Kills and shows."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder, progress("kill-loop", arguments.kills) as reporter:
        lives = asyncio.run(
            kill_again_and_again(
                Path(folder),
                arguments.kills,
                arguments.seed,
                reporter=reporter,
                services=arguments.services,
                database_url=arguments.database_url,
            )
        )
    for life in lives:
        console.print(told(life))
    return verdict([sentence for life in lives for sentence in life.ledger.broken], console)


def told(life: Life) -> str:
    """One line about one service."""
    ledger, starts_s = life.ledger, life.starts_s or [float("nan")]
    return (
        f"{life.service}: {life.kills} kills, {life.during_start} of them during a start; {ledger.acknowledged:,} "
        f"writes acknowledged, {ledger.unanswered} without an answer, {ledger.refused} refused; {len(ledger.may_be)} "
        f"things compared; a start took {statistics.median(starts_s):.1f} s (median), {max(starts_s):.1f} s at most"
    )
