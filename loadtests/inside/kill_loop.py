"""SIGKILL at random moments, also during the start, while writers work: is anything lost, does anything come back?

Real API processes over new state. After each kill the process is started again, and everything that was touched must
be as it was acknowledged last, or as the one request that was on its way would have made it; stored photos must be
found by searches, deleted ones must not.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from common.progress import Reporter
from loadtests.inside.acknowledged import Ledger
from loadtests.inside.caller import Caller, NotAnswered, session
from loadtests.inside.photos import SEARCHED, Photos, search
from loadtests.inside.storage import STATE_FILE
from loadtests.inside.writers import Decisions, Feedback, Sales, Switches, Writer
from loadtests.murphy.house import ADMIN_TOKEN
from loadtests.processes import Fleet, ProcessError, Program, free_port

SERVICES = ("supermegaretail", "photostock")
NOBODY = "http://127.0.0.1:9"  # nobody listens on the discard port
STARTS_WITHIN_S = 120.0
POLL_S = 0.02
MOST_CHANGES = 60  # acknowledged between the start and the kill
LONGEST_LIFE_S = 4.0  # if so many take longer
LAST_MS = 30  # after the last of them: the kill may come at any point of a request
KILLED_STARTS = 0.2  # of all kills
SETTINGS = {
    "supermegaretail": ("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_URL", "sales"),
    "photostock": ("PHOTOSTOCK_PORT", "PHOTOSTOCK_RERANKER_URL", "catalogue"),
}


@dataclass(slots=True)
class Life:
    """What one service went through."""

    service: str
    ledger: Ledger = field(default_factory=Ledger)
    starts_s: list[float] = field(default_factory=list)
    kills: int = 0
    during_start: int = 0


def writers_of(service: str) -> Mapping[str, Writer]:
    """By the first part of the keys of what they change. Two writers of a kind would need names of their own."""
    if service == "supermegaretail":
        return {
            "sales": Sales("sku"),
            "overrides": Decisions("overrides", "overrides", "over"),
            "switches": Switches("core", "correction"),
        }
    return {
        "photos": Photos("p"),
        "clicks": Feedback(),
        "hints": Decisions("hints", "hints", "word"),
        "switches": Switches("reranker"),
    }


async def kill_again_and_again(
    folder: Path,
    kills: int,
    seed: int,
    *,
    reporter: Reporter,
    services: Sequence[str] = SERVICES,
    database_url: str = "",
) -> list[Life]:
    """What happened, and what was wrong with it; the services take turns at dying, side by side."""
    with ExitStack() as fleets:
        loops = []
        for place, name in enumerate(services):
            fleet = fleets.enter_context(Fleet(folder / "logs"))  # each buries its own dead
            dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable, not secret
            loop = _Loop(fleet, name, folder / "var", database_url, dice, reporter)
            loops.append(loop.run(len(range(place, kills, len(services)))))
        return list(await asyncio.gather(*loops))


class _Loop:
    def __init__(
        self, fleet: Fleet, service: str, var: Path, database_url: str, dice: random.Random, reporter: Reporter
    ) -> None:
        port_name, model_name, self._part = SETTINGS[service]
        port = free_port()
        environment = {
            "VAR_DIR": str(var),
            "DATABASE_URL": database_url,
            "HOST": "127.0.0.1",
            "API_KEYS": "",
            "ADMIN_TOKEN": ADMIN_TOKEN,
            port_name: str(port),
            model_name: NOBODY,
        }
        self._program = Program(f"{service}-api", ("-m", service, "api"), port, environment=environment)
        self._fleet, self._dice, self._reporter = fleet, dice, reporter
        self._file = None if database_url else var / STATE_FILE
        self._writers = writers_of(service)
        self.life = Life(service)

    async def run(self, kills: int) -> Life:
        async with session() as client:
            api, life = Caller(client, self._program.url, token=ADMIN_TOKEN), self.life
            try:
                await self._start(client)
                while life.kills < kills:
                    if life.kills + 1 < kills and self._dice.random() < KILLED_STARTS:
                        await self._kill_a_start()
                    else:
                        await self._write_until_killed(api)
                    self._told()
                    await self._start(client)
                    await self._check(api, life.ledger.rest(), f"{life.service}, after kill {life.kills}")
                await self._check(api, set(life.ledger.may_be), f"{life.service}, in the end")
            except (ProcessError, NotAnswered) as error:
                life.ledger.broken.append(f"{life.service}, after kill {life.kills}: {error}")
            life.ledger.broken += await asyncio.to_thread(_damage, self._file)
            life.ledger.broken += proves_nothing(life, list(self._writers))
        return life

    def _told(self) -> None:
        self.life.kills += 1
        self._reporter.advance()
        self._reporter.say(f"{self.life.ledger.acknowledged:,} acknowledged by {self.life.service}")

    async def _kill_a_start(self) -> None:
        """The process that runs is killed at rest, and the next one before it is ready."""
        await asyncio.to_thread(self._fleet.kill, self._program.name)
        self._fleet.start(self._program)
        await asyncio.sleep(self._dice.uniform(0, sorted(self.life.starts_s)[len(self.life.starts_s) // 2]))
        await asyncio.to_thread(self._fleet.kill, self._program.name)
        self.life.during_start += 1

    async def _write_until_killed(self, api: Caller) -> None:
        ledger = self.life.ledger
        writing = [asyncio.create_task(self._write(api, writer)) for writer in self._writers.values()]
        enough, until_s = ledger.acknowledged + self._dice.randint(0, MOST_CHANGES), time.monotonic() + LONGEST_LIFE_S
        while ledger.acknowledged < enough and time.monotonic() < until_s:  # noqa: ASYNC110 - writers need no event for it
            await asyncio.sleep(0.001)
        await asyncio.sleep(self._dice.uniform(0, LAST_MS) / 1000)
        await asyncio.to_thread(self._fleet.kill, self._program.name)
        await asyncio.gather(*writing)

    async def _write(self, api: Caller, writer: Writer) -> None:
        """Until the process is dead."""
        while True:
            try:
                await writer.write(api, self.life.ledger, self._dice)
            except NotAnswered:
                self.life.ledger.unanswered += 1
                return

    async def _check(self, api: Caller, keys: set[str], when: str) -> None:
        ledger = self.life.ledger
        for kind, writer in self._writers.items():
            mine = sorted(key for key in keys if key.startswith(f"{kind}/"))
            for key, value in (await writer.seen(api, mine)).items() if mine else ():
                ledger.see(key, value, when)
            if kind == "photos":
                await search(api, ledger, self._dice.sample(mine, min(SEARCHED, len(mine))), when)

    async def _start(self, client: aiohttp.ClientSession) -> None:
        """Starts it and waits until it knows its data; its model stays away."""
        begun_s = time.monotonic()
        self._fleet.start(self._program)
        while time.monotonic() < begun_s + STARTS_WITHIN_S:
            if dead := self._fleet.bury():
                raise ProcessError("; ".join(dead))
            try:
                async with client.get(f"{self._program.url}/ready") as response:
                    if (await response.json())["parts"][self._part]["ok"]:
                        self.life.starts_s.append(time.monotonic() - begun_s)
                        return
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError):
                pass
            await asyncio.sleep(POLL_S)
        raise ProcessError(
            f"it does not answer {STARTS_WITHIN_S:.0f} s after its start, see {self._fleet.log_of(self._program.name)}"
        )


def proves_nothing(life: Life, kinds: Sequence[str]) -> list[str]:
    """Why these kills prove nothing, however well they went: too little was acknowledged that could have been lost."""
    told, count = [], life.ledger.acknowledged
    if count < life.kills:
        told.append(f"{life.service}: {count} writes acknowledged in {life.kills} kills, which proves nothing")
    if life.kills >= len(kinds):
        never = [kind for kind in kinds if not life.ledger.acknowledged_of[kind]]
        told += [f"{life.service}: nothing of its {kind} was ever acknowledged" for kind in never]
    return told


def _damage(file: Path | None) -> list[str]:
    """What SQLite itself finds wrong with its file."""
    if file is None or not file.exists():
        return []
    with closing(sqlite3.connect(file)) as connection:
        told = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
    return [] if told == ["ok"] else [f"{file.name} is damaged: {'; '.join(told)}"]
