"""One client, tortured once, and what it was good for afterwards."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from loadtests.experiments.footprint import Footprint, footprint
from loadtests.experiments.server import open_connections
from loadtests.experiments.torture_clients import MAX_IN_FLIGHT, RIGHT, WRONG, Client

CALLERS = 60
HURRY_MS = (2, 50)
HEALTHY_CALLS = 50
HEALTHY_MS = 1_000
GIVEN_UP_AFTER = 5  # calls in a row without an answer that took their whole second: it is wedged
RECOVERY_SECONDS = 3.0
SETTLING_SECONDS = 0.1
SPARE_DESCRIPTORS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """One client, tortured once."""

    client: str
    seed: int
    during: Counter[str]  # what came of the calls of the torture
    state: str  # of the client, when the healthy phase began
    healthy: Counter[str]
    recovered_seconds: float | None  # from the end of the torture to the first right answer
    connections: int  # after the healthy phase
    before: Footprint
    after: Footprint  # when the client was closed

    @property
    def right(self) -> int:
        """Of the fifty."""
        return self.healthy[RIGHT]

    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was not kept."""
        wrong = self.during[WRONG] + self.healthy[WRONG]
        parts = (
            (self.right == HEALTHY_CALLS, f"{self.right} of {HEALTHY_CALLS} healthy calls right; {self.state}"),
            (not wrong, f"{wrong} answers to somebody else's question"),
            (self.connections <= MAX_IN_FLIGHT, f"{self.connections} connections, over {MAX_IN_FLIGHT}"),
            (self.after.tasks <= self.before.tasks, f"{self.after.tasks - self.before.tasks} tasks left behind"),
            (
                self.after.descriptors <= self.before.descriptors + SPARE_DESCRIPTORS,
                f"{self.after.descriptors - self.before.descriptors} file descriptors left behind",
            ),
        )
        return [f"{self.client}, seed {self.seed}: {sentence}" for kept, sentence in parts if not kept]


async def torture(connect: Callable[[str], Client], url: str, *, seed: int, seconds: float, cancel: bool) -> Run:
    """One run, and what it left behind."""
    before, client = footprint(), connect(url)
    during = await _torture(client, seconds=seconds, cancel=cancel, dice=random.Random(seed))  # noqa: S311  moments
    state, ended_s = client.state(), time.monotonic()
    healthy = await _healthy(client)
    recovered_s = ended_s if healthy[RIGHT] == HEALTHY_CALLS else await _recovery(client)
    await asyncio.sleep(SETTLING_SECONDS)
    connections = await open_connections(url)
    await client.aclose()
    await asyncio.sleep(SETTLING_SECONDS)
    gc.collect()
    recovered = None if recovered_s is None else recovered_s - ended_s
    return Run(client.name, seed, during, state, healthy, recovered, connections, before, footprint())


async def _torture(client: Client, *, seconds: float, cancel: bool, dice: random.Random) -> Counter[str]:
    numbers, told, until_s = count(), Counter[str](), time.monotonic() + seconds

    async def caller() -> None:
        while time.monotonic() < until_s:
            number, moment_ms = next(numbers), dice.uniform(*HURRY_MS)
            if cancel:
                told[await _cancelled(client, number, moment_ms)] += 1
            else:
                told[(await client.ask(number, moment_ms)).what] += 1
            await asyncio.sleep(0)  # a call that is refused at once never waits, and others want to run

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return told


async def _cancelled(client: Client, number: int, moment_ms: float) -> str:
    """A call whose caller goes away at that moment, unless it was answered before."""
    call = asyncio.create_task(client.ask(number, HEALTHY_MS))
    await asyncio.wait({call}, timeout=moment_ms / 1000)
    call.cancel()
    await asyncio.wait({call})
    return "cancelled" if call.cancelled() else call.result().what


async def _healthy(client: Client) -> Counter[str]:
    """One call after the other; fewer than fifty if nothing comes back any more."""
    told, in_vain = Counter[str](), 0
    for number in range(HEALTHY_CALLS):
        begun_s = time.monotonic()
        what = (await client.ask(number, HEALTHY_MS)).what
        told[what] += 1
        waited = time.monotonic() - begun_s > 0.9 * HEALTHY_MS / 1000
        in_vain = in_vain + 1 if waited and what != RIGHT else 0
        if in_vain == GIVEN_UP_AFTER:
            break
    return told


async def _recovery(client: Client) -> float | None:
    """When it first brings a right answer again; None if not within some seconds."""
    until_s = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < until_s:
        if (await client.ask(0, HEALTHY_MS)).what == RIGHT:
            return time.monotonic()
        await asyncio.sleep(0.01)
    return None
