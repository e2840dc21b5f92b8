"""SIGKILL in the midst of adds and deletes: is anything lost that was acknowledged, does anything deleted come back?

Writers add, change and delete photos as fast as they are served; at a random moment the process is killed and started
again. Then every photo that was ever touched must be as it was acknowledged last, or as the one request that was on its
way would have made it; and a search must find it, or not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console

from common.progress import Reporter, progress
from loadtests.experiments.photo_service import NotAnswered, PhotoApi, photo_service, session, started
from loadtests.experiments.verdict import verdict
from loadtests.processes import Fleet, Program
from loadtests.services import var_dir

WRITERS = 4
PHOTOS_PER_WRITER = 40  # few, so that most are changed and deleted again and again
MOST_PER_ADD = 8
MOST_CHANGES = 80  # acknowledged between the start and the kill
LONGEST_LIFE_S = 4.0  # if so many take longer
LAST_MS = 30  # after the last of them: the kill may come at any point of a request
SEARCHED = 10  # photos of a round that are looked for by searches, too
GONE = None  # what is there of a deleted photo


@dataclass(slots=True)
class Ledger:
    """What each photo's title may be, by what was acknowledged; more than one where an answer is missing."""

    may_be: dict[str, set[str | None]] = field(default_factory=dict)
    acknowledged: int = 0
    unanswered: int = 0
    broken: list[str] = field(default_factory=list)
    restarts_s: list[float] = field(default_factory=list)

    def begin(self, photo_id: str, becomes: str | None) -> None:
        self.may_be.setdefault(photo_id, {GONE}).add(becomes)

    def acknowledge(self, photo_id: str, became: str | None) -> None:
        self.may_be[photo_id] = {became}
        self.acknowledged += 1

    def see(self, photo_id: str, title: str | None, kill: int) -> None:
        """Compares; from now on it can only be what was seen."""
        if title not in self.may_be[photo_id]:
            wanted = " or ".join(sorted(map(_said, self.may_be[photo_id])))
            self.broken.append(f"after kill {kill}: {photo_id} is {_said(title)}, and it should be {wanted}")
        self.may_be[photo_id] = {title}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--kills", type=int, default=200, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=int, default=7, metavar="N", help="of the moments (default: %(default)s)")
    command.epilog = "Uses the encoder of VAR_DIR if there is one; the state is new. Exit code 1 if the promise broke."


def run(arguments: argparse.Namespace) -> int:
    """Kills and shows; 1 if something was lost or came back."""
    console = Console()
    with progress("kill-photos", arguments.kills) as reporter:
        ledger = asyncio.run(kill_again_and_again(arguments.kills, arguments.seed, reporter=reporter))
    console.print(
        f"{arguments.kills} kills; {ledger.acknowledged:,} changes of {len(ledger.may_be)} photos acknowledged, "
        f"{ledger.unanswered} without an answer; a restart took {statistics.median(ledger.restarts_s):.1f} s (median)"
    )
    return verdict(ledger.broken, console)


async def kill_again_and_again(kills: int, seed: int, *, reporter: Reporter) -> Ledger:
    """What happened, and what was wrong with it."""
    dice, ledger = random.Random(seed), Ledger()  # noqa: S311 - repeatable, not secret
    models = var_dir(os.environ) / "registry"
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder) / "logs") as fleet:
        program = photo_service("photostock-api", Path(folder) / "var", models=models)
        async with session() as client:
            await started(fleet, program, client)
            for kill in range(1, kills + 1):
                touched = await _write_until_killed(fleet, program, client, ledger, dice)
                ledger.restarts_s.append(await started(fleet, program, client))
                await _check(PhotoApi(client, program.url), ledger, touched, kill, dice)
                reporter.advance()
            await _check(PhotoApi(client, program.url), ledger, set(ledger.may_be), kills, dice)
    return ledger


async def _write_until_killed(
    fleet: Fleet, program: Program, client: aiohttp.ClientSession, ledger: Ledger, dice: random.Random
) -> set[str]:
    """The ids of what was written."""
    touched: set[str] = set()
    api = PhotoApi(client, program.url)
    writers = [asyncio.create_task(_write(api, f"w{number}", dice, ledger, touched)) for number in range(WRITERS)]
    enough, until_s = ledger.acknowledged + dice.randint(0, MOST_CHANGES), time.monotonic() + LONGEST_LIFE_S
    while ledger.acknowledged < enough and time.monotonic() < until_s:  # noqa: ASYNC110 - writers need no event for it
        await asyncio.sleep(0.001)
    await asyncio.sleep(dice.uniform(0, LAST_MS) / 1000)
    fleet.kill(program.name)
    await asyncio.gather(*writers)
    return touched


async def _write(api: PhotoApi, name: str, dice: random.Random, ledger: Ledger, touched: set[str]) -> None:
    """Until the process is dead; every id belongs to one writer, so that the order of its changes is known."""
    while True:
        ids = dice.sample([f"{name}-{number}" for number in range(PHOTOS_PER_WRITER)], dice.randint(1, MOST_PER_ADD))
        delete = dice.random() < 0.4
        changes = {photo_id: GONE if delete else _title(photo_id, dice) for photo_id in (ids[:1] if delete else ids)}
        touched.update(changes)
        for photo_id, title in changes.items():
            ledger.begin(photo_id, title)
        try:
            photos = [{"id": photo_id, "title": title} for photo_id, title in changes.items()]
            acknowledged = await (api.delete(ids[0]) if delete else api.add(photos))
        except NotAnswered:
            ledger.unanswered += 1
            return
        for photo_id, title in changes.items() if acknowledged else ():
            ledger.acknowledge(photo_id, title)


async def _check(api: PhotoApi, ledger: Ledger, touched: set[str], kill: int, dice: random.Random) -> None:
    for photo_id in sorted(touched):
        ledger.see(photo_id, await api.title(photo_id), kill)
    for photo_id in dice.sample(sorted(touched), min(SEARCHED, len(touched))):
        [title] = ledger.may_be[photo_id]
        answer = await api.search(title or f"photo {photo_id}", per_page=80)
        found = [result["title"] for result in answer["results"] if result["id"] == photo_id]
        if found != ([] if title is GONE else [title]):
            ledger.broken.append(f"after kill {kill}: a search finds {photo_id} as {found}, and it is {_said(title)}")


def _title(photo_id: str, dice: random.Random) -> str:
    word = "".join(dice.choices("bdfgklmnprst", k=8))
    return f"photo {photo_id} {word}"


def _said(title: str | None) -> str:
    return "gone" if title is GONE else repr(title)
