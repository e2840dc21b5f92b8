"""`python -m loadtests bench-throughput`: requests that an API answers per second of one core, next to bare FastAPI.

The comparison takes the same request, validates it by the same model, and returns an answer that was made before. Both
are asked in turn in every round, for machines change by the minute.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from loadtests.bench.cores import staying_on, two_cores
from loadtests.bench.cpu import cpu_s_of
from loadtests.bench.forecasts import JSON, PATIENCE, body_about, served_items
from loadtests.bench.photos import ENVIRONMENT, queries_of, with_encoder
from loadtests.bench.profile import Profile, profile_of, profile_table, read_ms, watched
from loadtests.experiments.photo_service import PhotoApi
from loadtests.numbers import share
from loadtests.processes import Fleet, ProcessError, Program, free_port
from loadtests.services import Service, api_key, photostock, supermegaretail, var_dir

ITEMS = 10  # of a forecast
DIFFERENT = 40  # forecast requests, so that none is answered from what the one before left behind
FORECAST_MODEL = "supermegaretail.contract:ForecastRequest"
SEARCH_MODEL = "photostock.contract:SearchQuery"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request: how many of a round, and the least share of bare FastAPI's throughput."""

    name: str
    requests: int
    at_least: float


FORECASTS = Case(f"forecasts of {ITEMS} items", 300, 0.5)
CACHED = Case("cached search", 600, 0.5)
UNCACHED = Case("uncached search", 200, 0.2)
CASES = (FORECASTS, CACHED, UNCACHED)


@dataclass(frozen=True, slots=True)
class Side:
    """Where the requests of a case are sent, how the n-th of them looks, and whose processor time counts."""

    url: str
    method: str
    ask: Callable[[int], bytes | str]  # a body, or a search's query
    pid: int


Sides = list[tuple[Case, Side, Side]]  # ours and bare FastAPI


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one side in one round."""

    per_cpu_s: float
    per_wall_s: float


@dataclass(frozen=True, slots=True)
class Played:
    """One case in one round."""

    case: str
    ours: Pace
    bare: Pace

    @property
    def ratio(self) -> float:
        return self.ours.per_cpu_s / self.bare.per_cpu_s


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = "Needs trained models and photos in VAR_DIR. Exit code 1 if an API is below its share."
    command.add_argument("--rounds", type=positive_int, default=5, metavar="N", help="default: %(default)s")
    command.add_argument("--callers", type=positive_int, default=8, metavar="N", help="requests at a time (default: 8)")
    command.add_argument("--share", type=share, default=1.0, metavar="X", help="fewer requests (default: 1)")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the pace of every round here")
    command.add_argument("--profile", action="store_true", help="tell where the processor time goes, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if an API is below its share."""
    if arguments.profile:
        profiles = asyncio.run(_profile(arguments.callers, arguments.share))
        Console().print(profile_table(profiles))
        return 0
    played = asyncio.run(_measure(arguments.rounds, arguments.callers, arguments.share))
    console = Console()
    console.print(f"{arguments.rounds} rounds, each API on one core; requests per second, medians")
    console.print(results_table(played))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(one) for one in played], indent=2))
    below = below_share(played)
    for case in below:
        console.print(f"{case.name}: less than {case.at_least} of bare FastAPI", style="red")
    return int(bool(below))


def below_share(played: Sequence[Played]) -> list[Case]:
    """The cases that miss their share of bare FastAPI's requests per second of processor time."""
    return [case for case in CASES if (of := _of(played, case)) and _ratio(of) < case.at_least]


def results_table(played: Sequence[Played]) -> Table:
    """A line per case."""
    table = Table("", "per CPU s", "FastAPI", "ratio", "at least", "per wall s", "FastAPI", box=SIMPLE_HEAD)
    for case in CASES:
        if of := _of(played, case):
            paces = [
                statistics.median(pace)
                for pace in (
                    [one.ours.per_cpu_s for one in of],
                    [one.bare.per_cpu_s for one in of],
                    [one.ours.per_wall_s for one in of],
                    [one.bare.per_wall_s for one in of],
                )
            ]
            shown = [f"{pace:,.0f}" for pace in paces]
            table.add_row(case.name, *shown[:2], f"{_ratio(of):.2f}", f"{case.at_least}", *shown[2:])
    return table


def _of(played: Sequence[Played], case: Case) -> list[Played]:
    return [one for one in played if one.case == case.name]


def _ratio(played: Sequence[Played]) -> float:
    return statistics.median(one.ratio for one in played)


async def _measure(rounds: int, callers: int, share: float) -> list[Played]:
    played = []
    async for session, sides in _services_in_turn():
        for _, (case, ours, bare) in itertools.product(range(rounds), sides):
            requests = max(callers, int(case.requests * share))
            paces = [await _pace(session, side, requests, callers) for side in (ours, bare)]
            played.append(Played(case.name, *paces))
    return played


async def _profile(callers: int, share: float) -> list[Profile]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "ms.json"
        async for session, sides in _services_in_turn(lambda api: watched(api, file)):
            for case, ours, _ in sides:
                requests = max(callers, int(case.requests * share))
                await _send(session, ours, max(callers, requests // 5), callers)
                before = await read_ms(file)
                await _send(session, ours, requests, callers)
                found.append(profile_of(case.name, requests, before, await read_ms(file)))
    return found


async def _services_in_turn(
    watched: Callable[[Program], Program] = lambda api: api,
) -> AsyncIterator[tuple[aiohttp.ClientSession, Sides]]:
    """One service after the other, each API on one core and started as `watched` says."""
    ports = ("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_PORT", "PHOTOSTOCK_PORT")
    os.environ.update({name: str(free_port()) for name in ports} | PATIENCE | ENVIRONMENT)  # of the children
    key, (client_core, server_core) = api_key(os.environ), two_cores()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with tempfile.TemporaryDirectory() as name, Fleet(Path(name)) as fleet, staying_on(client_core):
        async with aiohttp.ClientSession(headers=headers) as session:
            for service, sides_of in ((supermegaretail(os.environ), _forecasts), (photostock(os.environ), _searches)):
                service = replace(service, api=watched(service.api))
                yield session, await sides_of(service, fleet, session, Path(name), server_core)
                fleet.stop_all()


async def _forecasts(service: Service, fleet: Fleet, session: aiohttp.ClientSession, folder: Path, core: int) -> Sides:
    fleet.start(service.model)  # it keeps to the core of the client
    await fleet.ready(service.model)
    await _start_on(core, fleet, service.api)
    url = f"{service.api.url}/v1/forecasts"
    items = await served_items(session, url, var_dir(os.environ) / "demo.json", most=DIFFERENT + ITEMS)
    bodies = [body_about(items[first : first + ITEMS]) for first in range(DIFFERENT)]
    ours = Side(url, "POST", lambda number: bodies[number % DIFFERENT], fleet.pid(service.api.name))
    bare = await _bare(fleet, session, folder, core, [(ours, FORECAST_MODEL)])
    return [(FORECASTS, ours, bare[0])]


async def _searches(service: Service, fleet: Fleet, session: aiohttp.ClientSession, folder: Path, core: int) -> Sides:
    api = service.api
    with staying_on(core):
        fleet.start(api)
    await with_encoder(fleet, PhotoApi(session, api.url))
    queries, places = queries_of(var_dir(os.environ) / "demo.json"), itertools.count()
    pid, url = fleet.pid(api.name), f"{api.url}/v1/search"

    def new(_number: int) -> str:
        """A query that was not asked before: two of people's in a row, with a number behind them."""
        place = next(places)
        return f"{queries[place % len(queries)]} {queries[place // len(queries) % len(queries)]} {place}"

    cached, uncached = Side(url, "GET", lambda _: queries[0], pid), Side(url, "GET", new, pid)
    bare = await _bare(fleet, session, folder, core, [(cached, SEARCH_MODEL), (uncached, SEARCH_MODEL)])
    return [(CACHED, cached, bare[0]), (UNCACHED, uncached, bare[1])]


async def _bare(
    fleet: Fleet, session: aiohttp.ClientSession, folder: Path, core: int, sides: Sequence[tuple[Side, str]]
) -> list[Side]:
    """The same requests to bare FastAPI, which answers with what we answered."""
    words: list[str] = []
    for number, (side, model) in enumerate(sides):
        file = folder / f"answer-{model.partition('.')[0]}-{number}"
        file.write_bytes(await _answer(session, side, 0))
        words += [side.method, model, str(file)]
    port = free_port()
    bare = Program("bare", ("-m", "loadtests.bench.validating_server", str(port), *words), port)
    await _start_on(core, fleet, bare)
    pid = fleet.pid(bare.name)
    return [Side(f"{bare.url}/{number}", side.method, side.ask, pid) for number, (side, _) in enumerate(sides)]


async def _start_on(core: int, fleet: Fleet, program: Program) -> None:
    with staying_on(core):  # children stay where they were born
        fleet.start(program)
    await fleet.ready(program)


async def _pace(session: aiohttp.ClientSession, side: Side, requests: int, callers: int) -> Pace:
    await _send(session, side, max(callers, requests // 5), callers)
    before_s, started_s = cpu_s_of(side.pid), time.monotonic()
    await _send(session, side, requests, callers)
    return Pace(requests / max(0.01, cpu_s_of(side.pid) - before_s), requests / (time.monotonic() - started_s))


async def _send(session: aiohttp.ClientSession, side: Side, requests: int, callers: int) -> None:
    """So many requests by callers who wait for their answers."""

    async def caller(numbers: Sequence[int]) -> None:
        for number in numbers:
            await _answer(session, side, number)

    await asyncio.gather(*(caller(range(first, requests, callers)) for first in range(callers)))


async def _answer(session: aiohttp.ClientSession, side: Side, number: int) -> bytes:
    asked = side.ask(number)
    what = {"params": {"query": asked}} if isinstance(asked, str) else {"data": asked, "headers": JSON}
    async with session.request(side.method, side.url, **what) as response:
        if response.status != 200:
            raise ProcessError(f"{side.url} answers {response.status}: its pace would say nothing")
        return await response.read()
