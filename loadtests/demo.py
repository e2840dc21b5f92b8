"""The demo: the tour, its verdict, and then the services for whoever wants to look around, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from loadtests.processes import Fleet
from loadtests.promises import verdict
from loadtests.screen import Screen
from loadtests.services import Service
from loadtests.tour import Tour, TourPlan
from loadtests.traffic import Subjects

WATCH_SECONDS = 0.5


def run_demo(
    retail: Service, photos: Service, *, plan: TourPlan, subjects: Subjects, logs: Path, screen: Screen, once: bool
) -> int:
    """0 when every promise was kept, 1 when not, 130 when interrupted; no process that it started lives on."""
    with Fleet(logs) as fleet:
        tour = Tour(retail, photos, plan=plan, subjects=subjects, fleet=fleet, screen=screen)
        try:
            return asyncio.run(_demo(tour, retail, photos, fleet=fleet, screen=screen, once=once))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 130


async def _demo(tour: Tour, retail: Service, photos: Service, *, fleet: Fleet, screen: Screen, once: bool) -> int:
    _end_tidily_on(signal.SIGTERM, signal.SIGHUP)
    await tour.run()
    screen.summary(tour.results)
    broken = tour.broken_promises
    screen.say(f"Verdict: {verdict(tour.results)}.", style="bold red" if broken else "bold green")
    for sentence in broken:
        screen.say(f"  broken: {sentence}", style="red")
    if not once:
        _show_addresses(retail, photos, screen)
        await _serve_until_told_to_stop(fleet, screen)
    screen.say("Stopping every process.")
    return 1 if broken else 0


def _end_tidily_on(*signals: signal.Signals) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _show_addresses(retail: Service, photos: Service, screen: Screen) -> None:
    screen.say("")
    screen.say("Both services go on serving; Ctrl-C stops them and their models.", style="bold")
    for service in (retail, photos):
        screen.say(f"  {service.name:<16} {service.api.url}/docs   {service.api.url}/metrics")
    screen.say(f"  a search         {photos.api.url}/v1/search?query=beach")


async def _serve_until_told_to_stop(fleet: Fleet, screen: Screen) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    while not told.is_set():
        for sentence in fleet.bury():
            screen.say(sentence, style="red")
        try:
            async with asyncio.timeout(WATCH_SECONDS):
                await told.wait()
        except TimeoutError:
            continue
