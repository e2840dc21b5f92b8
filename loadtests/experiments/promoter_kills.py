"""SIGKILL to whoever is promoting, at any moment: is there exactly one champion afterwards, and does it serve?

A process promotes the core and takes it back, again and again, and is killed at a random moment. Then whoever comes
next finishes what was decided: no release may be left half done, the champion must be the one that the last decision
names, pass its checksums, and be what the model process answers with.

Works on a copy of the registry in VAR_DIR: `make train` makes it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from rich.console import Console

from common.command_line import positive_int, seed
from common.progress import Reporter, progress
from common.releases.desk import ReleaseDesk
from common.releases.store import State
from common.versions.registry import CHAMPION, Registry, RegistryError
from loadtests.experiments.promoter import COMPONENT, desk_in
from loadtests.experiments.rolling import two_versions
from loadtests.experiments.verdict import counts, verdict
from loadtests.processes import Fleet, ProcessError, Program, free_port
from loadtests.services import var_dir

LONGEST_LIFE_S = 0.4  # after its first word, so that kills fall on all steps of some releases
START_SECONDS = 60.0
SERVES_WITHIN_S = 10.0
POLL_S = 0.05

Serves = Callable[[str], Awaitable[bool]]  # whether a version answers as champion


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--times", type=positive_int, default=100, metavar="N", help="kills (default: %(default)s)")
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the moments (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Kills and shows; 1 if a champion was missing or did not serve."""
    with tempfile.TemporaryDirectory() as folder, progress("promoter-kills", arguments.times) as reporter:
        copy = Path(folder)
        source = var_dir(os.environ)
        try:
            two_versions(source, copy)
        except (RegistryError, OSError) as error:
            raise ProcessError(f"there is nothing to promote in {source}: {error}; `make train` makes it") from error
        broken, halfway = asyncio.run(_with_model(copy, arguments.times, arguments.seed, reporter))
    console = Console()
    console.print(f"{arguments.times} kills; found half done: {counts(halfway)}")
    return verdict(broken, console)


async def kill_again_and_again(
    folder: Path, times: int, *, seed: int, serves: Serves, reporter: Reporter | None = None
) -> tuple[list[str], Counter[str]]:
    """What broke, in sentences, and the states in which releases were found; `folder` is a VAR_DIR with two cores."""
    dice = random.Random(seed)  # noqa: S311 - moments, not cryptography
    desk, registry = desk_in(folder), Registry(folder / "registry")
    broken: list[str] = []
    halfway: Counter[str] = Counter()
    for kill in range(1, times + 1):
        await asyncio.to_thread(_promoter_killed, folder, dice.uniform(0, LONGEST_LIFE_S))
        halfway.update(release.state.value for release in desk.under_way().values())
        await asyncio.to_thread(desk.reconcile)
        broken += [f"after kill {kill}: {sentence}" for sentence in await _wrong(desk, registry, serves)]
        if reporter is not None:
            reporter.advance()
    return broken, halfway


async def _wrong(desk: ReleaseDesk, registry: Registry, serves: Serves) -> list[str]:
    try:
        champion = registry.load(COMPONENT, CHAMPION).manifest.version
    except RegistryError as error:
        return [f"there is no champion: {error}"]
    sentences = [f"{one.id} is {one.state}" for one in desk.under_way().values() if one.state != State.CANARY]
    decided = next(iter(desk.store.listed(COMPONENT, states=(State.PROMOTED,))), None)
    back = next(iter(desk.store.listed(COMPONENT, states=(State.ROLLED_BACK,))), None)
    newest = max((one for one in (decided, back) if one is not None), key=lambda one: one.created_at, default=None)
    if newest is not None:
        named = newest.to_version if newest.state == State.PROMOTED else newest.from_version
        if named != champion:
            sentences.append(f"{champion} is the champion, and {named} was decided on")
    if not await serves(champion):
        sentences.append(f"{champion} is the champion, and does not serve")
    return sentences


def _promoter_killed(folder: Path, life_s: float) -> None:
    """One promoter from its first word to its end."""
    command = [sys.executable, "-m", "loadtests.experiments.promoter", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as promoter:  # noqa: S603  our own module
        try:
            assert promoter.stdout is not None
            if promoter.stdout.readline() != b"ready\n":
                raise ProcessError("the promoter did not begin")
            try:
                promoter.wait(life_s)
            except subprocess.TimeoutExpired:
                return
            raise ProcessError(f"the promoter ended by itself with code {promoter.returncode}")
        finally:
            promoter.kill()


async def _with_model(folder: Path, times: int, seed: int, reporter: Reporter) -> tuple[list[str], Counter[str]]:
    """Beside a real model process, which is asked for its champion."""
    port = free_port()
    environment = {"VAR_DIR": str(folder), "HOST": "127.0.0.1", "API_KEYS": "", "DATABASE_URL": ""}
    environment |= {"SUPERMEGARETAIL_MODEL_PORT": str(port)}
    program = Program("model", ("-m", "supermegaretail", "model"), port, environment=environment)
    with Fleet(folder / "logs") as fleet:
        fleet.start(program)
        await fleet.ready(program, within_seconds=START_SECONDS)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SERVES_WITHIN_S)) as session:

            async def serves(version: str) -> bool:
                try:
                    async with asyncio.timeout(SERVES_WITHIN_S):
                        while await _champion(session, program.url) != version:  # noqa: ASYNC110  in another process
                            await asyncio.sleep(POLL_S)
                except (TimeoutError, aiohttp.ClientError):
                    return False
                return True

            return await kill_again_and_again(folder, times, seed=seed, serves=serves, reporter=reporter)


async def _champion(session: aiohttp.ClientSession, url: str) -> str | None:
    async with session.get(f"{url}/version") as response:
        components: dict[str, str] = (await response.json())["components"]
        return components.get(COMPONENT)
