"""`python -m loadtests bench-reranker`: processor time of scoring a search's 20 candidates, next to the bare model.

The base is one run of the same int8 model, in the same process and on one thread, on the same 20 pairs in one batch,
tokens already and padded to the longest. Both are measured one right after the other, search by search.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from loadtests.processes import ProcessError

AT_MOST = 1.2  # times the base
LONGEST_S = 1_800.0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = "Needs photos and a reranker in VAR_DIR. Exit code 1 if it costs more than its target."
    command.add_argument("--searches", type=positive_int, default=24, metavar="N", help="default: %(default)s")
    command.add_argument("--rounds", type=positive_int, default=5, metavar="N", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if we are over the target."""
    measured = _measured(arguments.searches, arguments.rounds)
    costs, console = measured["costs"], Console()
    ratios = [one["ours_ms"] / one["bare_ms"] for one in costs]
    ratio, parts = statistics.median(ratios), statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    ours, bare = (statistics.median(one[name] for one in costs) for name in ("ours_ms", "bare_ms"))
    table = Table("reranker", "bare model", "ratio", "its quartiles", "at most", box=SIMPLE_HEAD)
    table.add_row(f"{ours:.1f}", f"{bare:.1f}", f"{ratio:.2f}", f"{parts[0]:.2f} to {parts[2]:.2f}", f"{AT_MOST}")
    console.print(
        f"reranker {measured['reranker']}, {len(costs)} measurements; ms of processor time per search, medians"
    )
    console.print(table)
    if ratio > AT_MOST:
        console.print(f"scoring costs {ratio:.2f} times the bare model, and {AT_MOST} are allowed", style="red")
    return int(ratio > AT_MOST)


def _measured(searches: int, rounds: int) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "photostock.reranker.cost", str(searches), str(rounds)],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessError(f"the reranker could not be measured: {done.stderr.strip()[-500:]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
