"""Many items under one deadline, on a slow service and on one that spoils every tenth request.

The promise: fifteen items of a service that takes two seconds cost one budget of three, not thirty seconds; and
whatever a service does to a tenth of the requests, the other items are right, and no wrong value is passed on as right.
What was late and nothing else is measured again, and told: a busy machine is late once, who misses deadlines always.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from functools import partial

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from common.progress import progress
from loadtests.experiments.bulk_items import (
    FEW_ITEMS,
    SLOW_MS,
    Slow,
    Spoiled,
    few_on_a_slow_service,
    many_with_a_fault,
)
from loadtests.experiments.footprint import no_logs
from loadtests.experiments.server import serving_spoiled
from loadtests.experiments.tries import best_of
from loadtests.experiments.verdict import verdict
from loadtests.faults import MENU

FAULTS = tuple(
    fault.name for fault in MENU if fault.kind in ("connection", "answer", "content") and fault.name != "refused"
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--items", type=positive_int, default=10_000, metavar="N", help="per fault (default: %(default)s)"
    )
    command.add_argument(
        "--fault", action="append", choices=FAULTS, metavar="NAME", help="may be repeated (default: all that apply)"
    )
    command.add_argument("--really", action="store_true", help="run the loop of single calls, too: up to 45 seconds")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if the promise broke."""
    with no_logs():
        slow, spoiled = asyncio.run(_measure(arguments.fault or FAULTS, items=arguments.items, really=arguments.really))
    return _show(slow, spoiled, Console())


async def _measure(faults: Sequence[str], *, items: int, really: bool) -> tuple[Slow, list[Spoiled]]:
    with progress("bulk", 1 + len(faults)) as reporter:
        reporter.say("a slow service")
        slow = await best_of(lambda: few_on_a_slow_service(really=really))
        reporter.advance()
        spoiled = []
        async with serving_spoiled("double", faults) as urls:
            for fault in faults:
                reporter.say(fault)
                spoiled.append(await best_of(partial(many_with_a_fault, fault, urls[fault], items=items)))
                reporter.advance()
    return slow, spoiled


def _show(slow: Slow, spoiled: Sequence[Spoiled], console: Console) -> int:
    table = Table(f"{FEW_ITEMS} items, {SLOW_MS / 1000:.0f} s a call", "seconds", "right", box=SIMPLE_HEAD)
    table.add_row("one bulk call", f"{slow.bulk_seconds:.1f}", str(slow.bulk_right))
    how, right = ("computed", "") if slow.loop_right is None else ("run", str(slow.loop_right))
    table.add_row(f"a loop of single calls ({how})", f"{slow.loop_seconds:.1f}", right)
    console.print(table)
    table = Table("on every tenth request", "items", "unaffected", "right", "defaults", "wrong", "s", box=SIMPLE_HEAD)
    for one in spoiled:
        counted = (one.items, one.unaffected, one.right, one.defaults, one.wrong)
        table.add_row(one.fault, *map(str, counted), f"{one.seconds:.2f}")
    console.print(table)
    again = {"a slow service": slow.tries, **{one.fault: one.tries for one in spoiled}}
    for name, tries in again.items():
        if tries > 1:
            console.print(f"{name}: measured {tries} times, because it was late and nothing else", style="yellow")
    broken = slow.broken() + [sentence for one in spoiled for sentence in one.broken()]
    return verdict(broken, console)
