"""Sixty callers who each ask about a thousand items: is anybody late, and does a small request beside them wait?

They come all at once, ask again as soon as they are answered, and wait for a second where they are told 429. The
promise: of a hundred requests of a kind at most one is answered later than its budget, the small ones beside them
included, and none but with 200 or 429.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from common.service.problems import RETRY_AFTER_S
from loadtests.experiments.verdict import verdict
from loadtests.numbers import seconds
from loadtests.processes import Fleet, free_port
from loadtests.services import api_key, supermegaretail, var_dir
from loadtests.stalls import StallWatch
from loadtests.traffic import Caller, read_subjects

SLACK_MS = 50.0  # to write and read an answer of a megabyte
SMALL_BUDGET_MS, SMALL_EVERY_S = 300, 0.1
MOST_LATE = 0.01
ALLOWED = (200, 429)


@dataclass(slots=True)
class Asked:
    """What became of one kind of request; milliseconds without those in which the machine stood still."""

    name: str
    budget_ms: int
    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def note(self, status: int, took_ms: float) -> None:
        self.statuses[status] += 1
        (self.answered_ms if status == 200 else self.refused_ms).append(took_ms)

    @property
    def late(self) -> int:
        return sum(took_ms > self.budget_ms + SLACK_MS for took_ms in (*self.answered_ms, *self.refused_ms))


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--seconds", type=seconds, default=5.0, metavar="S", help="per budget (default: %(default)g)")
    command.add_argument("--callers", type=positive_int, default=60, metavar="N", help="default: %(default)s")
    command.add_argument("--items", type=positive_int, default=1_000, metavar="N", help="default: %(default)s")
    command.add_argument("--horizon-days", type=positive_int, default=28, metavar="N", help="default: %(default)s")
    command.add_argument("--budgets-ms", type=positive_int, nargs="+", default=[300, 3_000], metavar="MS")
    command.epilog = "Needs trained models in VAR_DIR. Exit code 1 if the promise broke."


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if the promise broke."""
    console = Console()
    asked = asyncio.run(_measure(arguments))
    console.print(results_table(asked))
    return verdict(broken(asked), console)


def results_table(asked: Sequence[Asked]) -> Table:
    """A line for each kind of request."""
    table = Table("requests", "budget ms", "200", "p50 ms", "longest", "429", "longest", "late", box=SIMPLE_HEAD)
    for one in asked:
        longest = [f"{max(took, default=0.0):.0f}" for took in (one.answered_ms, one.refused_ms)]
        p50 = f"{statistics.median(one.answered_ms or [0.0]):.0f}"
        counted = [str(one.statuses[status]) for status in ALLOWED]
        table.add_row(one.name, str(one.budget_ms), counted[0], p50, longest[0], counted[1], longest[1], str(one.late))
    return table


def broken(asked: Sequence[Asked]) -> list[str]:
    """A sentence for each part of the promise that was not kept."""
    told = []
    for one in asked:
        every = one.statuses.total()
        if one.late > max(1, MOST_LATE * every):
            told.append(f"{one.name}, {one.budget_ms} ms: {one.late} of {every} were late")
        if not one.statuses[200]:
            told.append(f"{one.name}, {one.budget_ms} ms: nobody was answered")
        told += [f"{one.name}: status {status}" for status in one.statuses.keys() - set(ALLOWED)]
    return told


async def _measure(arguments: argparse.Namespace) -> list[Asked]:
    ports = {name: str(free_port()) for name in ("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_PORT")}
    os.environ.update(ports)  # of the children
    service = supermegaretail(os.environ)
    subjects = read_subjects(var_dir(os.environ) / "demo.json")
    items = [dict(zip(("store", "sku"), item, strict=True)) for item in subjects.items]
    many = (items * -(-arguments.items // len(items)))[: arguments.items]
    large = json.dumps({"items": many, "horizon_days": arguments.horizon_days}).encode()
    small = json.dumps({"items": items[:1]}).encode()
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder)) as fleet:
        for program in (service.model, service.api):
            fleet.start(program)
            await fleet.ready(program)
        asked = []
        for budget_ms in arguments.budgets_ms:
            url = f"{service.api.url}/v1/forecasts"
            asked += await asked_by_many(url, large, small, arguments.callers, budget_ms, arguments.seconds)
        return asked


async def asked_by_many(
    url: str, large: bytes, small: bytes, callers: int, budget_ms: int, seconds: float
) -> list[Asked]:
    """So many callers with the large body for so long, and one with the small body ten times a second."""
    heavy, light = Asked("large", budget_ms), Asked("small beside them", SMALL_BUDGET_MS)
    until_s = time.monotonic() + seconds
    stalls = StallWatch()
    watching = asyncio.create_task(stalls.run())
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def ask(body: bytes, asked: Asked) -> int:
            caller = Caller("heavy", asked.budget_ms, api_key(os.environ))
            began_s = time.monotonic()
            async with session.post(url, data=body, headers=caller.headers()) as answer:
                await answer.read()
            ended_s = time.monotonic()
            await stalls.booked()
            took_s = ended_s - began_s - stalls.seconds_between(began_s, ended_s)
            asked.note(answer.status, took_s * 1000)
            return answer.status

        async def insist() -> None:
            while time.monotonic() < until_s:
                if await ask(large, heavy) != 200:
                    await asyncio.sleep(RETRY_AFTER_S)

        async def look_in() -> None:
            while time.monotonic() < until_s:
                await ask(small, light)
                await asyncio.sleep(SMALL_EVERY_S)

        try:
            await asyncio.gather(look_in(), *(insist() for _ in range(callers)))
        finally:
            watching.cancel()
    return [heavy, light]
