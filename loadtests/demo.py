"""The demo: the tour, its verdict, and then the services for whoever wants to look around, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from urllib.parse import urlencode

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
        addresses = _addresses(retail, photos, subjects)
        try:
            return asyncio.run(_demo(tour, addresses, fleet=fleet, screen=screen, once=once))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 130


async def _demo(tour: Tour, addresses: list[str], *, fleet: Fleet, screen: Screen, once: bool) -> int:
    _end_tidily_on(signal.SIGTERM, signal.SIGHUP)
    await tour.run()
    screen.summary(tour.results)
    broken = tour.broken_promises
    screen.say(f"Verdict: {verdict(tour.results)}.", style="bold red" if broken else "bold green")
    for sentence in broken:
        screen.say(f"  broken: {sentence}", style="red")
    if not once:
        screen.say("\nBoth services go on serving; Ctrl-C stops them and their models.", style="bold")
        for address in addresses:
            screen.say(f"  {address}")
        await _serve_until_told_to_stop(fleet, screen)
    screen.say("Stopping every process.")
    return 1 if broken else 0


def _end_tidily_on(*signals: signal.Signals) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _addresses(retail: Service, photos: Service, subjects: Subjects) -> list[str]:
    store, sku = subjects.items[0]
    return [
        *(f"{service.api.url}/docs" for service in (retail, photos)),
        f"{retail.api.url}/v1/forecasts?{urlencode({'store': store, 'sku': sku})}",
        f"{photos.api.url}/v1/search?{urlencode({'query': subjects.queries[0]})}",
    ]


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
