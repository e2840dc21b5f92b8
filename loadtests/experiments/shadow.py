"""A shadow that accepts every request and never answers any: is it felt by those who call the primary?

Calls of 10 KB leave on schedule, in rounds: in each, every way to shadow has its short turn, so that whatever else the
machine does disturbs all of them alike. The promise: no call fails; tasks, connections and memory are bounded; p50 is
at most 1.5 times that without a shadow in the same round plus 1 ms, and p99 at most twice plus 25 ms. The slack is what
a shared machine does to the same code from one turn to the next. A busier moment than that may spoil a round, but not
more than half of them; time that the hypervisor took away does not count at all. Shadows without bounds were felt in
every round, by hundreds and thousands of milliseconds.

One more shadow answers at once, with the largest answers allowed: to read them is work on the primary's own event loop.
There the table shows what that costs; promised is only that no call fails and that memory is bounded.
"""

from __future__ import annotations

import argparse
import asyncio
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.calls.shadow import ShadowPolicy
from loadtests.experiments.footprint import MIB_BYTES, no_logs
from loadtests.experiments.shadow_lanes import MAX_IN_FLIGHT, Lane, Seen, measure
from loadtests.experiments.verdict import counts, verdict
from loadtests.numbers import per_second, seconds

P50_RATIO, P50_SLACK_MS = 1.5, 1.0
P99_RATIO, P99_SLACK_MS = 2.0, 25.0
MAX_GROWTH_BYTES = 10 * MIB_BYTES
SPARE = 8  # tasks of the driver and of connections that are being opened


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="N", help="measured, in all (default: %(default)g)"
    )
    command.add_argument(
        "--rate", type=per_second, default=150.0, metavar="N", help="calls a second (default: %(default)g)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if the shadow was felt."""
    with no_logs():
        seen = asyncio.run(measure(seconds=arguments.seconds, rate=arguments.rate))
    return _show(seen, Console())


def broken(lane: Lane, alone: Lane) -> list[str]:
    """A sentence for each part of the promise that was not kept, next to the lane without a shadow."""
    most_descriptors = alone.most_descriptors + MAX_IN_FLIGHT + SPARE
    failures = (not lane.failures, f"{lane.failures.total()} calls failed: {counts(lane.failures)}")
    bounds = (
        _not_felt("p50", lane, alone, share=0.5, ratio=P50_RATIO, slack_ms=P50_SLACK_MS),
        _not_felt("p99", lane, alone, share=0.99, ratio=P99_RATIO, slack_ms=P99_SLACK_MS),
        (lane.most_tasks <= ShadowPolicy().max_tasks + SPARE, f"{lane.most_tasks} tasks"),
        (lane.most_descriptors <= most_descriptors, f"{lane.most_descriptors} file descriptors"),
    )
    parts = (failures,) if lane.busy else (failures, *bounds)
    return [f"{lane.name}: {sentence}" for kept, sentence in parts if not kept]


def _not_felt(name: str, lane: Lane, alone: Lane, *, share: float, ratio: float, slack_ms: float) -> tuple[bool, str]:
    """Whether a percentile kept to its limit in at least half of the rounds, and the sentence if it did not."""
    rounds_ms = lane.percentiles_ms(share)
    limits_ms = [ratio * one + slack_ms for one in alone.percentiles_ms(share)]
    over = sum(took > limit for took, limit in zip(rounds_ms, limits_ms, strict=True))
    sentence = (
        f"{name} is {median(rounds_ms):.1f} ms, over {median(limits_ms):.1f} ms, in {over} of {len(rounds_ms)} rounds"
    )
    return 2 * over <= len(rounds_ms), sentence


def _show(seen: Seen, console: Console) -> int:
    lanes, (alone, *shadowed) = seen.lanes, seen.lanes
    table = Table("", "calls", "failed", "p50 ms", "p99 ms", "tasks", "fds", box=SIMPLE_HEAD)
    for lane in lanes:
        table.add_row(
            lane.name,
            str(lane.calls),
            str(lane.failures.total()),
            f"{median(lane.percentiles_ms(0.5)):.1f}",
            f"{median(lane.percentiles_ms(0.99)):.1f}",
            str(lane.most_tasks),
            str(lane.most_descriptors),
        )
    console.print(table)
    console.print(f"medians of {len(alone.rounds_ms)} rounds")
    for lane in shadowed:
        told = f"{lane.name}: {lane.compared} compared; not compared: {counts(lane.dropped)}"
        console.print(told + (" (its times are shown, not promised)" if lane.busy else ""), soft_wrap=True)
    console.print(f"memory of the process: {seen.grown_bytes / MIB_BYTES:+.1f} MiB")
    sentences = [sentence for lane in lanes for sentence in broken(lane, alone)]
    if seen.grown_bytes >= MAX_GROWTH_BYTES:
        sentences.append(f"memory grew by more than {MAX_GROWTH_BYTES / MIB_BYTES:.0f} MiB")
    return verdict(sentences, console)
