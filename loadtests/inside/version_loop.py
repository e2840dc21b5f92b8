"""SIGKILL to whoever trains, publishes, promotes or serves a version: is one ever half there, is one ever lost?

Whatever moment somebody looks, each version that the registry shows is whole and each alias stands for such a one.
After each kill the model processes serve their champions, and the API's answers are from them. Works on a copy of the
sales, the models and `demo.json` in VAR_DIR: `make data train` makes them.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import chain, cycle, islice
from pathlib import Path

from common.progress import Reporter
from common.versions.registry import Registry, RegistryError
from loadtests.inside import publisher
from loadtests.inside.acknowledged import GONE
from loadtests.inside.caller import NotAnswered, session
from loadtests.inside.kill_loop import Life
from loadtests.inside.machine import meanwhile
from loadtests.inside.served_versions import ServedVersions
from loadtests.inside.shown_versions import ShownVersions
from loadtests.inside.storage import REGISTRY
from loadtests.processes import Fleet, ProcessError
from loadtests.traffic import NoDemoError, read_subjects

PARTS = ("models", "training", "publishing")
MADE = ("core", "correction")  # by a training
KILLED = -signal.SIGKILL  # the exit code of one
ENDS_WITHIN_S = 600.0  # a training, and what is done in a turn
LOOK_EVERY_S, DRAFT_EVERY_S = 0.02, 0.002
SERVES_S = 0.5  # at most, before a model is killed
PUBLISHER_LIVES_S = 0.4  # at most, after its first word
PUBLISHES_S = 0.1  # at most, from a training's first file in the registry to the kill
ITEMS = 20  # in a request
WHY = "the kill loop"


async def kill_versions(
    var_dir: Path, kills: int, seed: int, *, parts: Sequence[str] = PARTS, reporter: Reporter
) -> Life:
    """What happened, and what was wrong with it; the parts take turns. Writes into `var_dir`."""
    items = read_subjects(var_dir / "demo.json").items[:ITEMS]
    with Fleet(var_dir / "logs") as fleet:
        async with session() as client:
            served = ServedVersions(fleet, client, var_dir, items)
            if "core" not in served.models:
                raise NoDemoError(f"{var_dir / REGISTRY} has no core that serves; `make train` makes one")
            dice = random.Random(f"{seed} versions")  # noqa: S311 - repeatable, not secret
            return await _Loop(fleet, served, var_dir, dice, reporter).run(kills, parts)


class _Loop:
    def __init__(
        self, fleet: Fleet, served: ServedVersions, var_dir: Path, dice: random.Random, reporter: Reporter
    ) -> None:
        self._fleet, self._served, self._var_dir = fleet, served, var_dir
        self._dice, self._reporter = dice, reporter
        self._registry = Registry(var_dir / REGISTRY)
        self._shown = ShownVersions(self._registry, (*MADE, publisher.COMPONENT))
        self._training_s = 0.0
        self._killed, self._missed = Counter[str](), Counter[str]()  # by part
        self.life = Life("versions")

    async def run(self, kills: int, parts: Sequence[str]) -> Life:
        life = self.life
        try:
            await self._kill_in_turn([part for part in PARTS if part in parts], kills)
        except (ProcessError, NotAnswered, TimeoutError, RegistryError) as error:
            self._tell(f"after kill {life.kills}", [str(error) or "it took too long"])
        self._tell("in the end", await asyncio.to_thread(self._shown.look, anew=(*MADE, publisher.COMPONENT)))
        self._tell("in all", self._proves_nothing())
        life.starts_s = list(chain.from_iterable(self._served.starts_s.values()))
        return life

    async def _kill_in_turn(self, turns: Sequence[str], kills: int) -> None:
        killers = {
            "models": self._kill_a_model,
            "training": self._kill_a_training,
            "publishing": self._kill_a_publisher,
        }
        await self._served.start(*self._served.models.values())
        await self._served.start_api()
        if "training" in turns:
            await self._train_wholly()
        await self._check("at the start")
        for part in islice(cycle(turns), kills):
            async with meanwhile(self._served.ask_for_ever()), asyncio.timeout(ENDS_WITHIN_S):
                killed = await killers[part]()
            (self._killed if killed else self._missed)[part] += 1
            self.life.kills = self._killed.total()
            self._reporter.advance()
            await self._check(f"after kill {self.life.kills}")

    def _proves_nothing(self) -> Iterator[str]:
        if self.life.ledger.acknowledged < self._killed["publishing"]:
            yield "publishers were killed before they did anything, which proves nothing"
        if self._killed["training"] < self._missed["training"]:
            yield "most trainings ended before they were killed, which proves nothing"

    async def _kill_a_model(self) -> bool:
        """While it serves, and one time in two the next one while it loads."""
        model = self._dice.choice(list(self._served.models.values()))
        await asyncio.sleep(self._dice.uniform(0, SERVES_S))
        await asyncio.to_thread(self._fleet.kill, model.name)
        if self._dice.random() < 0.5:
            self._fleet.start(model)
            await asyncio.sleep(self._dice.uniform(0, statistics.median(self._served.starts_s[model.name])))
            await asyncio.to_thread(self._fleet.kill, model.name)
            self.life.during_start += 1
        await self._served.start(model)
        return True

    async def _train_wholly(self) -> None:
        """Tells how long one takes."""
        begun_s = time.monotonic()
        async with self._training() as training, asyncio.timeout(ENDS_WITHIN_S):
            if code := await training.wait():
                raise ProcessError(f"a training ended with code {code}")
        self._training_s = time.monotonic() - begun_s

    async def _kill_a_training(self) -> bool:
        """At any moment, or one time in two while it publishes; False if it ended before.

        The newest core is then promoted, whosesoever it is.
        """
        drafts = self._drafts()
        async with self._training() as training:
            if self._dice.random() < 0.5:
                await self._look(self._dice.uniform(0, self._training_s), training)
            else:
                while training.returncode is None and self._drafts() <= drafts:  # noqa: ASYNC110  in another process
                    await asyncio.sleep(DRAFT_EVERY_S)
                await self._look(self._dice.uniform(0, PUBLISHES_S), training)
        if training.returncode not in (0, KILLED):
            raise ProcessError(f"a training ended by itself with code {training.returncode}")
        newest = self._registry.versions("core")[-1]
        async with self._process("common", "registry", "promote", "core", newest, "--despite", WHY) as promoting:
            if code := await promoting.wait():
                raise ProcessError(f"promoting core {newest} ended with code {code}")
        return training.returncode == KILLED

    async def _kill_a_publisher(self) -> bool:
        """What it said that it did must be so; what it was about to do may be."""
        async with self._process("loadtests.inside.publisher", str(self._var_dir), stdout=PIPE) as process:
            assert process.stdout is not None
            if await process.stdout.readline() != b"ready\n":
                raise ProcessError("the publisher did not begin")
            await self._look(self._dice.uniform(0, PUBLISHER_LIVES_S), process)
            if process.returncode is not None:
                raise ProcessError(f"the publisher ended by itself with code {process.returncode}")
            process.kill()
            told = [line.split() for line in (await process.stdout.read()).decode().splitlines()]
            await process.wait()
        ledger = self.life.ledger
        for word, key, value in told:
            ledger.begin({key: value})
            if word == "did":
                ledger.acknowledge("steps", {key: value})
        ledger.unanswered += bool(told) and told[-1][0] == "wants"
        return True

    async def _look(self, seconds: float, process: Process) -> None:
        """At what the registry shows, for so long or until the process ends."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and process.returncode is None:
            self._tell("while somebody was at work", await asyncio.to_thread(self._shown.look))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _check(self, when: str) -> None:
        """What the registry shows, what publishers did since the last time, and what models and API serve."""
        self._tell(when, await asyncio.to_thread(self._shown.look, anew=MADE))
        aliases = self._registry.aliases(publisher.COMPONENT)
        for key in sorted(self.life.ledger.rest()):
            there = "there" if self._shown.has(publisher.COMPONENT, key) else GONE
            self.life.ledger.see(key, aliases.get(key, there), when)
        await self._served.all_serve()

    def _training(self) -> AbstractAsyncContextManager[Process]:
        """One that makes other versions than any before it."""
        seed = str(self._dice.randrange(1_000_000))
        return self._process("supermegaretail", "train", "--threads", "1", "--seed", seed, "--despite-quality", WHY)

    @asynccontextmanager
    async def _process(self, module: str, *arguments: str, stdout: int = DEVNULL) -> AsyncIterator[Process]:
        """A command at work, which is dead at the end of the block."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            env={**os.environ, **self._served.environment},
            stdout=stdout,
            stderr=DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _drafts(self) -> set[Path]:
        """What is being published."""
        return set((self._var_dir / REGISTRY).glob("*/.draft-*"))

    def _tell(self, when: str, sentences: Iterable[str]) -> None:
        """What is wrong, once."""
        told = (f"{when}: {sentence}" for sentence in sentences)
        self.life.ledger.broken += [sentence for sentence in told if sentence not in self.life.ledger.broken]
