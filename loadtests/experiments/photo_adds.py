"""200 photos added and 50 searches made every second: do searches feel it, and is every photo found at once?

First the searches alone, then with the adds beside them. Half of those searches look for the photo that was
acknowledged last, by its own words: it has to be among the first results. The promise: it always is, and 95 of 100
searches are answered within twice the time that they take without adds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from common.command_line import positive_int, seed
from loadtests.experiments.photo_service import NotAnswered, PhotoApi, photo_service, session, started
from loadtests.experiments.verdict import verdict
from loadtests.numbers import per_second, seconds
from loadtests.processes import Fleet, ProcessError
from loadtests.services import var_dir

AT_MOST_TIMES = 2.0  # the p95 without adds
ENOUGH = 0.95  # of the rates
BEFORE_BATCH = 50
TRIES = 10  # for a batch of the photos that are there before
KINDS = ("dog", "harbour", "bicycle", "market", "mountain", "kitchen", "tram", "meadow", "violin", "lighthouse")
PLACES = ("at dawn", "in the rain", "under a bridge", "beside a river", "in winter", "on a roof", "behind a fence")


@dataclass(slots=True)
class Phase:
    """What was seen in some seconds of searches."""

    seconds: float
    searches_ms: list[float] = field(default_factory=list)
    acknowledged: int = 0
    refused: int = 0
    missing: list[str] = field(default_factory=list)
    degraded: int = 0

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.searches_ms, n=20)[-1] if len(self.searches_ms) > 1 else float("nan")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="N", help="of each half (default: %(default)g)"
    )
    command.add_argument("--adds-per-second", type=per_second, default=200.0, metavar="N", help="default: %(default)g")
    command.add_argument(
        "--searches-per-second", type=per_second, default=50.0, metavar="N", help="default: %(default)g"
    )
    command.add_argument(
        "--batch", type=positive_int, default=10, metavar="N", help="photos per request (default: %(default)s)"
    )
    command.add_argument(
        "--photos", type=positive_int, default=5_000, metavar="N", help="there before (default: %(default)s)"
    )
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the texts (default: %(default)s)")
    command.epilog = "Uses the encoder of VAR_DIR; the state is new. Exit code 1 if the promise broke."


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if the promise broke."""
    console = Console()
    alone, beside = asyncio.run(_measure(arguments))
    for name, phase in (("alone", alone), ("beside adds", beside)):
        console.print(
            f"{name}: {len(phase.searches_ms)} searches, p50 {statistics.median(phase.searches_ms):.1f} ms, "
            f"p95 {phase.p95_ms:.1f} ms, {phase.degraded} degraded; {phase.acknowledged:,} photos acknowledged "
            f"({phase.acknowledged / phase.seconds:.0f} a second), {phase.refused} requests refused"
        )
    return verdict(broken(alone, beside, arguments.adds_per_second), console)


def broken(alone: Phase, beside: Phase, adds_per_second: float) -> list[str]:
    """A sentence for each part of the promise that was not kept."""
    told = [f"{title!r} was acknowledged, and the next search did not find it" for title in beside.missing]
    if beside.acknowledged < ENOUGH * adds_per_second * beside.seconds:
        told.append(f"{beside.acknowledged / beside.seconds:.0f} photos a second were taken, not {adds_per_second:.0f}")
    if beside.p95_ms > AT_MOST_TIMES * alone.p95_ms:
        told.append(f"with adds the p95 is {beside.p95_ms / alone.p95_ms:.1f} times as long")
    return told


async def _measure(arguments: argparse.Namespace) -> tuple[Phase, Phase]:
    dice = random.Random(arguments.seed)  # noqa: S311 - repeatable, not secret
    models = var_dir(os.environ) / "registry"
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder) / "logs") as fleet:
        program = photo_service("photostock-api", Path(folder) / "var", models=models)
        async with session() as client:
            await started(fleet, program, client, with_encoder=True)
            api = PhotoApi(client, program.url)
            for start in range(0, arguments.photos, BEFORE_BATCH):
                photos = _photos("before", start, min(start + BEFORE_BATCH, arguments.photos), dice)
                if not await _stored(api, photos):
                    raise ProcessError(f"{program.name} does not take photos, see {fleet.log_of(program.name)}")
            return await _phase(api, arguments, dice, adds=False), await _phase(api, arguments, dice, adds=True)


async def _stored(api: PhotoApi, photos: list[dict[str, str]]) -> bool:
    for _ in range(TRIES):
        if await api.add(photos):
            return True
        await asyncio.sleep(1)  # as the answer asks
    return False


async def _phase(api: PhotoApi, arguments: argparse.Namespace, dice: random.Random, *, adds: bool) -> Phase:
    phase, newest = Phase(arguments.seconds), list[dict[str, str]]()
    added = iter(range(0, 10**9, arguments.batch))

    async def add() -> None:
        start = next(added)
        photos = _photos("added", start, start + arguments.batch, dice)
        try:
            if not await api.add(photos):
                phase.refused += 1
                return
        except NotAnswered:
            phase.refused += 1
            return
        phase.acknowledged += len(photos)
        newest.append(dice.choice(photos))

    async def search() -> None:
        wanted = newest.pop() if newest and dice.random() < 0.5 else None
        query = wanted["title"] if wanted else f"{dice.choice(KINDS)} {dice.choice(PLACES)}"
        begun_s = time.monotonic()
        try:
            answer = await api.search(query)
        except NotAnswered:
            phase.refused += 1
            return
        phase.searches_ms.append((time.monotonic() - begun_s) * 1000)
        phase.degraded += answer["served_by"] in ("lexical", "popular")
        if wanted and wanted["id"] not in [result["id"] for result in answer["results"]]:
            phase.missing.append(wanted["title"])

    paced = [_paced(search, arguments.searches_per_second, arguments.seconds)]
    if adds:
        paced.append(_paced(add, arguments.adds_per_second / arguments.batch, arguments.seconds))
    await asyncio.gather(*paced)
    return phase


async def _paced(work: Callable[[], Awaitable[None]], per_second: float, seconds: float) -> None:
    """Begins at fixed moments, however long the others take; returns when all are done."""
    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, begun_s + number / per_second - time.monotonic()))
            group.create_task(_done(work))


async def _done(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def _photos(prefix: str, start: int, end: int, dice: random.Random) -> list[dict[str, str]]:
    return [
        {
            "id": f"{prefix}-{number}",
            "title": f"{dice.choice(KINDS)} {dice.choice(PLACES)} {''.join(dice.choices('bdfgklmnprst', k=6))}{number}",
        }
        for number in range(start, end)
    ]
