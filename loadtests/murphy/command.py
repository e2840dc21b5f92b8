"""`python -m loadtests murphy`: both services under every fault of the menu; 1 if any promise broke."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from common.command_line import between, seed
from loadtests.inside.storage import STATE_FILE
from loadtests.load import Load
from loadtests.murphy.asks import Traffic
from loadtests.murphy.house import PROXY_PORTS, House, copy_of, own_services, running_services
from loadtests.murphy.ledger import Checker, Ledger
from loadtests.murphy.menu import TRIALS, chosen
from loadtests.murphy.page import save_page
from loadtests.murphy.results import Result
from loadtests.murphy.scoreboard import broken_in, broken_overall, excuse, save_json, terminal_table, verdict
from loadtests.murphy.trial import PHOTOS, RETAIL, Trial
from loadtests.murphy.walk import Walk
from loadtests.numbers import port
from loadtests.processes import Fleet, ProcessError
from loadtests.screen import Screen
from loadtests.services import MODEL_HOST, Service, api_key, var_dir
from loadtests.traffic import Subjects, read_subjects

SECONDS, SHORT_SECONDS = 10.0, 4.0
PHOTOS_ASKED = 80
JSON_NAME = "murphy.json"
ASK_SECONDS = 5.0
NEEDS_PROCESSES = ("no_route", "no_connection", "dns_failure")  # they start the APIs anew


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--list", action="store_true", help="list the menu and end")
    command.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these faults or levels alone")
    command.add_argument("--skip", nargs="+", default=[], metavar="NAME", help="all faults or levels but these")
    command.add_argument("--broken", action="store_true", help="those alone that broke a promise in the last report")
    command.add_argument("--short", action="store_true", help="one fault of each family, a few seconds each")
    command.add_argument(
        "--seconds", type=between(float, 0.5, 3_600.0), metavar="N", help=f"of each fault (default: {SECONDS:g})"
    )
    command.add_argument("--seed", type=seed, default=1, metavar="N", help="of the traffic (default: %(default)s)")
    command.add_argument("--report", type=Path, metavar="FOLDER", help="for murphy.html and .json (default: VAR_DIR)")
    add_running(command)
    command.epilog = "Processes of its own work on a copy of VAR_DIR, on free ports; nothing that runs is touched."


def add_running(command: argparse.ArgumentParser) -> None:
    """The options by which services are taken that somebody else started."""
    command.add_argument(
        "--running",
        action="store_true",
        help="take running services, by SUPERMEGARETAIL_URL, PHOTOSTOCK_URL, SUPERMEGARETAIL_MODEL_URL and "
        "PHOTOSTOCK_RERANKER_URL; their APIs must look for their models at the ports of --proxy-ports",
    )
    command.add_argument(
        "--proxy-ports", type=port, nargs=2, default=PROXY_PORTS, metavar="PORT", help="default: %(default)s"
    )
    command.add_argument(
        "--proxy-host",
        default=MODEL_HOST,
        metavar="ADDRESS",
        help="with --running: ours, at which the APIs find the proxies (default: %(default)s; containers need another)",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 if every promise was kept, 1 if not, 2 for a fault that is not on the menu, 130 when interrupted."""
    state = var_dir(os.environ)
    report = arguments.report or state
    try:
        only = arguments.only or (broken_in(report / JSON_NAME) if arguments.broken else [])
        trials = chosen(only, arguments.skip, short=arguments.short)
    except ValueError as error:
        print(f"python -m loadtests murphy: {error}", file=sys.stderr)
        return 2
    if arguments.list:
        for trial in TRIALS:
            print(f"{trial.name:<24} {trial.level:<8} {trial.sentence}")
        return 0
    console = Console()
    seconds = arguments.seconds or (SHORT_SECONDS if arguments.short else SECONDS)
    subjects = read_subjects(state / "demo.json")
    if arguments.running:
        trials = [trial for trial in trials if needs_no_process(trial)]
    with tempfile.TemporaryDirectory(prefix="murphy-") as folder:
        logs = Path(folder) / "logs"
        with Fleet(logs) as fleet:
            if arguments.running:
                services = running_services(os.environ, arguments.proxy_ports, arguments.proxy_host)
                house = House(services, var_dir=state, fleet=fleet, owned=False)
            else:
                copy = copy_of(state, Path(folder) / "var")
                house = House(own_services(os.environ, copy), var_dir=copy, fleet=fleet)
            results = asyncio.run(
                _walk(house, trials, subjects, seconds=seconds, seed=arguments.seed, screen=Screen(console))
            )
    code = _tell(results, console, report, seed=arguments.seed, seconds=seconds)
    return code if len(results) == len(trials) else 130


async def _walk(
    house: House, trials: Sequence[Trial], subjects: Subjects, *, seconds: float, seed: int, screen: Screen
) -> list[Result]:
    """As far as it got: what was measured before an interruption is kept."""
    results: list[Result] = []
    cancel_on(signal.SIGTERM, signal.SIGINT)
    key = api_key(os.environ)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with house.open():
            traffic = await traffic_over(house.services, subjects, headers, seed=seed, api_key=key)
            urls = {name: service.api.url for name, service in house.services.items()}
            load = Load(traffic.lanes(urls), times=lambda: house.times)
            database = house.var_dir / STATE_FILE if house.owned else None
            checker = Checker(traffic.ledger, urls[PHOTOS], database, headers)
            with screen.live():
                await Walk(house, load, checker, screen, seconds, results).run(trials)
    except asyncio.CancelledError:
        screen.say("Interrupted; what was measured so far:", style="bold red")
    return results


async def traffic_over(
    services: Mapping[str, Service], subjects: Subjects, headers: Mapping[str, str], *, seed: int, api_key: str | None
) -> Traffic:
    """Traffic over what these services know."""
    store, sku = subjects.items[0]
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=dict(headers)) as session:
        ask = {"store": store, "sku": sku, "horizon_days": "1"}
        forecast = await _ask(session, f"{services[RETAIL].api.url}/v1/forecasts", ask)
        query = {"query": subjects.queries[0], "per_page": str(PHOTOS_ASKED)}
        found = await _ask(session, f"{services[PHOTOS].api.url}/v1/search", query)
    return Traffic(
        subjects,
        tuple(result["id"] for result in found["results"]),
        date.fromisoformat(forecast["as_of"]),
        Ledger(),
        seed=seed,
        api_key=api_key,
        run=f"m{time.time_ns() % 10**12}",
    )


async def _ask(session: aiohttp.ClientSession, url: str, query: Mapping[str, str]) -> Any:
    try:
        async with session.get(url, params=query) as response:
            if response.status != 200:
                raise ProcessError(f"{url} answers {response.status}: {(await response.text())[:300]}")
            return await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ProcessError(f"{url} does not answer: {type(error).__name__}") from error


def _tell(results: Sequence[Result], console: Console, folder: Path, *, seed: int, seconds: float) -> int:
    if not results:
        return 1
    console.print(terminal_table(results))
    broken = [*broken_overall(results), *(f"{one.name}: {sentence}" for one in results for sentence in one.broken)]
    style = "bold red" if broken else "bold green"
    console.print(f"{verdict(results)}.", style=style, highlight=False, soft_wrap=True)
    for sentence in (excuse(results), *(f"broken: {sentence}" for sentence in broken)):
        if sentence:
            console.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)
    save_json(results, folder / JSON_NAME, seed=seed, seconds=seconds)
    save_page(results, folder / "murphy.html", seed=seed, seconds=seconds)
    console.print(f"Told in full: {folder / 'murphy.html'} and {JSON_NAME} beside it.", highlight=False, soft_wrap=True)
    return 1 if broken else 0


def needs_no_process(trial: Trial) -> bool:
    """Can it be played to services that somebody else started?"""
    return trial.level in ("link", "load") and trial.name not in NEEDS_PROCESSES


def cancel_on(*signals: signal.Signals) -> None:
    """From now on these signals cancel the task that calls."""
    task = asyncio.current_task()
    assert task is not None
    for one in signals:
        asyncio.get_running_loop().add_signal_handler(one, task.cancel)
