"""`python -m loadtests bench-index`: how fast the vector index is, what it finds and what it weighs, size by size.

Each size is measured in a process of its own, on made-up vectors, one thread, beside an exact comparison of float32
vectors in the same process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from common.progress import progress
from loadtests.processes import ProcessError

LEAST_RECALL = 0.98  # of the 100 best
MOST_BYTES = 614  # 0.6 KB
MOST_TIMES = 3.0  # a search among the most photos, to one among the fewest
LONGEST_S = 7_200.0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = "Exit code 1 if a target is missed. A million photos take about 2.5 GB and many minutes."
    command.add_argument(
        "--photos",
        type=positive_int,
        nargs="+",
        default=[5_000, 100_000],
        metavar="N",
        help="sizes (default: 5000 100000)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if a target is missed."""
    sizes = sorted(arguments.photos)
    with progress("bench-index", len(sizes)) as reporter:
        measured = []
        for photos in sizes:
            measured.append(_measured(photos))
            reporter.advance()
    console = Console()
    table = Table(
        "photos", "built s", "bytes/photo", "allowed", "recall@100", "p50 ms", "exact float32 p50 ms", box=SIMPLE_HEAD
    )
    for one in measured:
        for allowed in ("all", "tenth"):
            seen = one[allowed]
            size = (
                (str(one["photos"]), str(one["built_s"]), str(one["bytes_per_photo"]))
                if allowed == "all"
                else ("",) * 3
            )
            table.add_row(*size, allowed, f"{seen['recall']:.3f}", f"{seen['p50_ms']}", f"{seen['exact_p50_ms']}")
    console.print(table)
    missed = misses(measured)
    for sentence in missed:
        console.print(sentence, style="red")
    return int(bool(missed))


def misses(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each target that was missed; the measurements are in order of size."""
    told = []
    for one in measured:
        told += [
            f"{one['photos']} photos, {allowed} allowed: recall@100 is {one[allowed]['recall']:.3f}, not {LEAST_RECALL}"
            for allowed in ("all", "tenth")
            if one[allowed]["recall"] < LEAST_RECALL
        ]
        if one["bytes_per_photo"] > MOST_BYTES:
            told.append(f"{one['photos']} photos: {one['bytes_per_photo']} bytes each, and {MOST_BYTES} are allowed")
    times = measured[-1]["all"]["p50_ms"] / measured[0]["all"]["p50_ms"]
    if times > MOST_TIMES:
        told.append(f"a search among the most photos takes {times:.1f} times as long as one among the fewest")
    return told


def _measured(photos: int) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "photostock.index.measure", str(photos)],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessError(f"measuring {photos} photos failed: {done.stderr.strip()[-500:]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
