"""`python -m loadtests alerts`: does each fault raise its alert, and only that one and what follows from it?

Real services, the chaos proxy, a real Prometheus and a real Alertmanager; windows are short, so that an alert is due
within 30 s. Healthy traffic raises none. Both services have a house of their own, and their faults are played side by
side.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import seed
from loadtests.alerts.house import WatchedHouse, targets_of
from loadtests.alerts.menu import chosen, shared_out
from loadtests.alerts.playing import LASTING, LONG_S, STALLED_S, WINDOW_S, Lane, Raised
from loadtests.alerts.watching import LOOK_SECONDS, watch
from loadtests.load import Lane as Traffic
from loadtests.load import Load
from loadtests.murphy.house import copy_of, own_services
from loadtests.murphy.trial import PHOTOS, RETAIL, Trial
from loadtests.numbers import minutes
from loadtests.processes import Fleet
from loadtests.services import Service, api_key, var_dir
from loadtests.stalls import StallWatch
from loadtests.traffic import Caller, Subjects, forecasts, read_subjects, searches

PER_SECOND = 8.0
TIMEOUT_MS = 500
QUIET_FIRST_S = 15.0
FORGET_EVERY_S = 5.0  # samples of the load, of which nobody asks here


@dataclass(slots=True)
class Seen:
    """What came of a run: `loud` are sentences about alerts that nothing had raised."""

    raised: list[Raised] = field(default_factory=list)
    loud: list[str] = field(default_factory=list)
    stalled_s: float = 0.0

    @property
    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was not kept."""
        return [*self.loud, *(sentence for one in self.raised for sentence in one.broken)]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--only", nargs="+", default=[], metavar="FAULT", help="these faults alone")
    command.add_argument("--skip", nargs="+", default=[], metavar="FAULT", help="all but these")
    command.add_argument("--quiet", type=minutes, metavar="MINUTES", help="no fault: healthy traffic for so long")
    command.add_argument("--service", choices=(RETAIL, PHOTOS), help="this one alone (default: both)")
    command.add_argument(
        "--everywhere", action="store_true", help="each fault at both services (default: at one, drawn by the seed)"
    )
    command.add_argument("--seed", type=seed, default=1, metavar="N", help="of the traffic (default: %(default)s)")
    command.epilog = "Works on copies of VAR_DIR, on free ports; needs Debian's prometheus and prometheus-alertmanager."


def run(arguments: argparse.Namespace) -> int:
    """0 if every promise was kept, 1 if not, 2 for a fault that is not on the menu."""
    try:
        trials = chosen(arguments.only, arguments.skip)
    except ValueError as error:
        print(f"python -m loadtests alerts: {error}", file=sys.stderr)
        return 2
    names = [name for name in (RETAIL, PHOTOS) if arguments.service in (None, name)]
    state, console = var_dir(os.environ), Console()
    subjects = read_subjects(state / "demo.json")
    lanes = shared_out(trials, names, everywhere=arguments.everywhere, seed=arguments.seed)
    quiet_s = QUIET_FIRST_S if arguments.quiet is None else 60 * arguments.quiet
    if arguments.quiet is not None:
        lanes = {name: [] for name in names}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="alerts-") as folder, Fleet(Path(folder) / "logs") as fleet:
        seen = asyncio.run(
            proved(
                fleet, lanes, state, Path(folder), subjects, tell=console.print, quiet_s=quiet_s, seed=arguments.seed
            )
        )
    if seen.raised:
        console.print(table_of(seen.raised))
    for sentence in seen.broken:
        console.print(f"broken: {sentence}", style="red")
    well = sum(not one.broken for one in seen.raised)
    told = f"{well} of {len(seen.raised)} faults raise their alert and nothing else"
    if arguments.quiet is not None:
        told = f"{arguments.quiet:g} minutes of healthy traffic, {len(seen.loud)} alerts"
    minutes = (time.monotonic() - began) / 60
    console.print(f"{told}; {minutes:.1f} minutes, of which the machine stood still {seen.stalled_s:.1f} s.")
    return 1 if seen.broken else 0


async def proved(
    fleet: Fleet,
    lanes: Mapping[str, Sequence[Trial]],
    state: Path,
    folder: Path,
    subjects: Subjects,
    *,
    tell: Callable[[str], None],
    quiet_s: float,
    seed: int = 1,
) -> Seen:
    """Plays the faults of each service on copies of `state` below `folder`."""
    services = {}
    for name in lanes:
        copy = await asyncio.to_thread(copy_of, state, folder / name / "var")
        services[name] = next(one for one in own_services(os.environ, copy) if one.name == name)
    watching = await watch(fleet, folder / "watching", targets_of(list(services.values())), window_s=WINDOW_S)
    seen, began = Seen(), asyncio.get_running_loop().time()
    async with _watched_machine() as stalls, AsyncExitStack() as stack:
        playing = []
        for name, service in services.items():
            house = WatchedHouse(
                [service], var_dir=folder / name / "var", fleet=fleet, watching=watching, window_s=WINDOW_S
            )
            await stack.enter_async_context(house.open())
            load = Load([traffic_of(service, subjects, seed=seed)], times=house.times_now)
            await stack.enter_async_context(_forgetting(load))
            playing.append(Lane(name, house, stalls, lambda raised: tell(line_of(raised))))
        seen.loud = await _loud(playing, stalls, quiet_s)
        played = await asyncio.gather(*(lane.play(lanes[lane.service]) for lane in playing))
        seen.raised = [raised for one in played for raised in one]
        if seen.raised:
            left = await asyncio.gather(*(lane.quiet(LONG_S) for lane in playing))
            seen.loud += [
                f"{', '.join(sorted(one))} of {lane.service} still there after {LONG_S:.0f} s"
                for lane, one in zip(playing, left, strict=True)
                if one
            ]
        seen.stalled_s = stalls.seconds_between(began, asyncio.get_running_loop().time())
    return seen


def traffic_of(service: Service, subjects: Subjects, *, seed: int) -> Traffic:
    """Steady reading traffic."""
    caller = Caller("alerts", TIMEOUT_MS, api_key(os.environ))
    asks = (
        forecasts(subjects.items, caller=caller, seed=seed)
        if service.name == RETAIL
        else searches(subjects.queries, caller=caller, seed=seed)
    )
    return Traffic(service.name, service.api.url, PER_SECOND, asks, seed)


@asynccontextmanager
async def _watched_machine() -> AsyncIterator[StallWatch]:
    stalls = StallWatch()
    task = asyncio.create_task(stalls.run())
    try:
        yield stalls
    finally:
        task.cancel()


@asynccontextmanager
async def _forgetting(load: Load) -> AsyncIterator[None]:
    async def forget() -> None:
        while True:
            load.samples.clear()
            await asyncio.sleep(FORGET_EVERY_S)

    async with load.running():
        task = asyncio.create_task(forget())
        try:
            yield
        finally:
            task.cancel()


async def _loud(lanes: Sequence[Lane], stalls: StallWatch, seconds: float) -> list[str]:
    """Healthy traffic for so long: a sentence for each alert that began, unless the machine had just stood still."""
    for lane in lanes:  # who has just started may be asked for more than it has read yet
        await lane.quiet(LONG_S)
    clock = asyncio.get_running_loop().time
    began, before, loud = clock(), set[tuple[str, str]](), list[str]()
    while clock() < began + seconds:
        shown = {(lane.service, name) for lane in lanes for name in await lane.shown()}
        stalled_s = stalls.seconds_between(clock() - 2 * WINDOW_S, clock())
        loud += [
            f"healthy traffic raised {name} of {service} after {clock() - began:.0f} s"
            for service, name in sorted(shown - before)
            if stalled_s < STALLED_S
        ]
        before = shown
        await asyncio.sleep(LOOK_SECONDS)
    return loud


def table_of(raised: Sequence[Raised]) -> Table:
    """One row a fault."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in ("fault", "service", "alert", "after s", "with it", "silent after s", "tries", ""):
        table.add_column(title)
    for one in raised:
        silent = "lasts" if one.alert in LASTING and not one.stays else _seconds(one.quiet_after_s)
        table.add_row(
            one.fault,
            one.service,
            one.alert,
            _seconds(one.after_s),
            ", ".join(sorted(one.followed)),
            silent,
            str(one.tries),
            "broken" if one.broken else "kept",
        )
    return table


def line_of(one: Raised) -> str:
    """One fault in one line."""
    told = "; ".join(one.broken) or "kept"
    stalled = f" (the machine stood still {one.stalled_s:.1f} s)" if one.stalled_s >= STALLED_S else ""
    return f"{one.fault} at {one.service}: {one.alert} after {_seconds(one.after_s)} s; {told}{stalled}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f}"
