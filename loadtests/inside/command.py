"""`python -m loadtests kill-loop`."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from common.command_line import positive_int, seed
from common.progress import Reporter, progress
from loadtests.experiments.verdict import verdict
from loadtests.inside.kill_loop import SERVICES, Life, kill_again_and_again
from loadtests.inside.version_loop import PARTS, kill_versions
from loadtests.murphy.house import copy_of
from loadtests.services import var_dir

WRITES = "writes"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--kills", type=positive_int, default=300, metavar="N", help="in all (default: %(default)s)")
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the moments (default: %(default)s)")
    command.add_argument(
        "--parts",
        nargs="+",
        choices=(WRITES, *PARTS),
        default=[WRITES],
        help="whom: APIs amid writes, model processes, trainings, who publishes and promotes (default: writes)",
    )
    command.add_argument(
        "--services", nargs="+", choices=SERVICES, default=list(SERVICES), help="of the writes (default: both)"
    )
    command.add_argument(
        "--database-url",
        default="",
        metavar="URL",
        help="for the writes, an empty PostgreSQL database (default: SQLite, in a new folder)",
    )
    command.epilog = (
        "The state of the writes is new, all else works on a copy of VAR_DIR, with what `make data train` makes. Exit "
        "code 1 if anything was lost, came back, was there by half, or did not start."
    )


def run(arguments: argparse.Namespace) -> int:
    """Kills and shows."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder, progress("kill-loop", arguments.kills) as reporter:
        lives = list(_lives(Path(folder), arguments, reporter))
    for life in lives:
        console.print(told(life))
    return verdict([sentence for life in lives for sentence in life.ledger.broken], console)


def _lives(folder: Path, arguments: argparse.Namespace, reporter: Reporter) -> Iterator[Life]:
    """Of writes and of versions, one after the other; the parts share the kills."""
    parts = list(dict.fromkeys(arguments.parts))
    of_writes = arguments.kills * (WRITES in parts) // len(parts)
    if WRITES in parts:
        writing = kill_again_and_again(
            folder / WRITES,
            of_writes,
            arguments.seed,
            reporter=reporter,
            services=arguments.services,
            database_url=arguments.database_url,
        )
        yield from asyncio.run(writing)
    if chosen := [part for part in parts if part != WRITES]:
        copy = copy_of(var_dir(os.environ), folder / "var")
        yield asyncio.run(
            kill_versions(copy, arguments.kills - of_writes, arguments.seed, parts=chosen, reporter=reporter)
        )


def told(life: Life) -> str:
    """One line about one service."""
    ledger, starts_s = life.ledger, life.starts_s or [float("nan")]
    return (
        f"{life.service}: {life.kills} kills, {life.during_start} of them during a start; {ledger.acknowledged:,} "
        f"writes acknowledged, {ledger.unanswered} without an answer, {ledger.refused} refused; {len(ledger.may_be)} "
        f"things compared; a start took {statistics.median(starts_s):.1f} s (median), {max(starts_s):.1f} s at most"
    )
