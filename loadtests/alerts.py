"""`python -m loadtests alerts`: does each fault raise its alert, and only that one and what follows from it?

Real services, the chaos proxy, a real Prometheus and a real Alertmanager; windows are short, so that an alert is due
within 30 s. Healthy traffic raises none.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.incidents.alerts import find_alert
from common.incidents.faults import ALERT_OF
from loadtests.alerts_watching import LOOK_SECONDS, Shown, Watching, watch
from loadtests.load import Lane, Load
from loadtests.murphy.house import House, copy_of, own_services
from loadtests.murphy.menu import chosen
from loadtests.murphy.trial import PHOTOS, RETAIL, Trial
from loadtests.processes import Fleet
from loadtests.services import Service, api_key, var_dir
from loadtests.traffic import Caller, Subjects, forecasts, read_subjects, searches

WINDOW_S = 10
WITHIN_SECONDS = 30.0
STAYS_SECONDS = 4.0  # how long it is looked on once the alert is there: for what else comes
QUIET_AGAIN_SECONDS = 120.0
PER_SECOND = 8.0
TIMEOUT_MS = 500


@dataclass(slots=True)
class Raised:
    """What one fault raised; `after_s` until its alert was there, None if it never was."""

    fault: str
    alert: str
    after_s: float | None = None
    unexpected: set[tuple[str, str]] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    excused: set[tuple[str, str]] = field(default_factory=set)  # the machine had no time for the event loop
    quiet_after_s: float | None = None

    @property
    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was not kept."""
        told = [f"{self.fault}: {name} of {service} has nothing to do with it" for service, name in self.unexpected]
        if self.after_s is None:
            told.append(f"{self.fault}: {self.alert} was not raised within {WITHIN_SECONDS:.0f} s")
        if self.quiet_after_s is None:
            told.append(f"{self.fault}: alerts stay {QUIET_AGAIN_SECONDS:.0f} s after its end")
        return told


class SomeHouse(House):
    """A house that may have one of the two services alone."""

    async def link(self, fault: str | None, services: Sequence[str] = (RETAIL, PHOTOS)) -> None:
        """Between those of these services that there are and their models."""
        await super().link(fault, [name for name in services if name in self.services])


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--only", nargs="+", default=[], metavar="FAULT", help="these faults alone")
    command.add_argument("--skip", nargs="+", default=[], metavar="FAULT", help="all but these")
    command.add_argument(
        "--quiet-minutes", type=float, default=0.5, metavar="N", help="healthy traffic first (default: %(default)g)"
    )
    command.add_argument("--service", choices=(RETAIL, PHOTOS), help="this one alone (default: both)")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="of the traffic (default: %(default)s)")
    command.epilog = "Works on a copy of VAR_DIR, on free ports; needs Debian's prometheus and prometheus-alertmanager."


def run(arguments: argparse.Namespace) -> int:
    """0 if every promise was kept, 1 if not, 2 for a fault that is not on the menu."""
    try:
        trials = chosen(arguments.only, arguments.skip)
    except ValueError as error:
        print(f"python -m loadtests alerts: {error}", file=sys.stderr)
        return 2
    state = var_dir(os.environ)
    subjects = read_subjects(state / "demo.json")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="alerts-") as name, Fleet(Path(name) / "logs") as fleet:
        copy = copy_of(state, Path(name) / "var")
        services = [one for one in own_services(os.environ, copy) if arguments.service in (None, one.name)]
        house = SomeHouse(services, var_dir=copy, fleet=fleet)
        loud, raised = asyncio.run(
            proved(house, trials, subjects, console=console, quiet_s=arguments.quiet_minutes * 60, seed=arguments.seed)
        )
    console.print(table_of(raised))
    broken = [f"quiet traffic raised {name} of {service}" for service, name in sorted(loud)]
    broken += [sentence for one in raised for sentence in one.broken]
    for sentence in broken:
        console.print(f"broken: {sentence}", style="red")
    console.print(
        f"{sum(not one.broken for one in raised)} of {len(raised)} faults raise their alert and nothing else."
    )
    return 1 if broken else 0


async def proved(
    house: House, trials: Sequence[Trial], subjects: Subjects, *, console: Console, quiet_s: float, seed: int = 1
) -> tuple[Shown, list[Raised]]:
    """What healthy traffic raised, which should be nothing, and what each fault did."""
    async with house.open():
        watching = await watch(
            house.fleet, house.var_dir.parent / "watching", targets_of(house.services), window_s=WINDOW_S
        )
        load = Load(lanes_of(house.services, subjects, seed=seed), times=lambda: house.times)
        async with load.running():
            loud = await _all_shown(watching, quiet_s, load)
            raised = []
            for trial in (one for one in trials if one.name in ALERT_OF):
                raised.append(await _played(house, trial, watching))
                load.samples.clear()
                console.print(_line(raised[-1]))
    return loud, raised


def targets_of(services: Mapping[str, Service]) -> dict[tuple[str, str], str]:
    """Whom Prometheus asks: the models themselves, not the proxies before them."""
    return {
        (name, role): f"127.0.0.1:{program.port}"
        for name, service in services.items()
        for role, program in (("api", service.api), ("model", service.moved_model))
    }


def lanes_of(services: Mapping[str, Service], subjects: Subjects, *, seed: int) -> list[Lane]:
    """Steady reading traffic to each service."""
    caller = Caller("alerts", TIMEOUT_MS, api_key(os.environ))
    asks = {
        RETAIL: lambda: forecasts(subjects.items, caller=caller, seed=seed),
        PHOTOS: lambda: searches(subjects.queries, caller=caller, seed=seed),
    }
    return [Lane(name, service.api.url, PER_SECOND, asks[name](), seed) for name, service in services.items()]


async def _played(house: House, trial: Trial, watching: Watching) -> Raised:
    """The fault, until its alert is there and a little longer; then healed, until nothing fires."""
    alert = ALERT_OF[trial.name]
    known = find_alert(alert)
    assert known is not None
    raised = Raised(trial.name, alert)
    services = set(trial.services) & set(house.services)
    expected = {(service, name) for service in services for name in (alert, *known.leads_to)}
    before = await _quiet(watching)
    began = time.monotonic()
    async with trial.applied(house):
        until = began + WITHIN_SECONDS
        while time.monotonic() < until:
            shown = await watching.shown()
            excused = busy_machine(shown) - expected
            raised.excused |= excused
            raised.unexpected |= shown - expected - excused - before
            raised.followed |= {name for _, name in shown & expected} - {alert}
            if raised.after_s is None and any((service, alert) in shown - before for service in services):
                raised.after_s = time.monotonic() - began
                until = min(until, time.monotonic() + STAYS_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)
    healed = time.monotonic()
    if not await _quiet(watching):
        raised.quiet_after_s = time.monotonic() - healed
    raised.unexpected -= raised.excused
    return raised


async def _quiet(watching: Watching) -> Shown:
    """Waits until nothing is shown that the machine is not to blame for; what still is after a while."""
    until = time.monotonic() + QUIET_AGAIN_SECONDS
    # Prometheus can only be asked again: it tells nobody of a change.
    while (shown := await watching.shown()) - busy_machine(shown) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    return shown - busy_machine(shown)


def busy_machine(shown: Shown) -> Shown:
    """What is shown because the machine has too little time for an event loop; empty while all loops have it."""
    cause = find_alert("LoopBlocked")
    assert cause is not None
    names = {cause.name, *cause.explains, *cause.leads_to}
    busy = {service for service, name in shown if name == cause.name}
    return frozenset((service, name) for service, name in shown if service in busy and name in names)


async def _all_shown(watching: Watching, seconds: float, load: Load) -> Shown:
    shown: Shown = frozenset()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = await watching.shown()
        shown |= now - busy_machine(now)
        load.samples.clear()
        await asyncio.sleep(LOOK_SECONDS)
    return shown


def table_of(raised: Sequence[Raised]) -> Table:
    """One row a fault."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in ("fault", "alert", "after s", "with it", "quiet after s", "busy machine", ""):
        table.add_column(title)
    for one in raised:
        table.add_row(
            one.fault,
            one.alert,
            _seconds(one.after_s),
            ", ".join(sorted(one.followed)),
            _seconds(one.quiet_after_s),
            ", ".join(sorted({name for _, name in one.excused})),
            "broken" if one.broken else "kept",
        )
    return table


def _line(one: Raised) -> str:
    return f"{one.fault}: {one.alert} after {_seconds(one.after_s)} s; {'; '.join(one.broken) or 'kept'}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None or not math.isfinite(seconds) else f"{seconds:.1f}"
