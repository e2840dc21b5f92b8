"""The traffic: callers who wait for their answers, faults that come and go, and a look at everything in between."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from loadtests.checks import Answer
from loadtests.load import Lane, answer_to
from loadtests.murphy.asks import REFUSED
from loadtests.murphy.house import House
from loadtests.soak.gauges import STATE, Reading, log_ahead_mib, of_process, tasks_of, whole_mib

CALLERS = 8
PATIENCE_SECONDS = 10.0  # what leaks is asked here, not what is late
SETTLE_SECONDS = 0.2  # after the last answer, for what runs on behind it (logs, shadows, checkpoints)
FAULTS = ("late", "reset_mid_body", "http_503", "hang")
REFUSALS = frozenset({f"{REFUSED}429", f"{REFUSED}503"})  # well-formed, and counted
ROUNDS = 2  # each fault in each half: what one costs once (a pool, an arena) is not taken for growth
FROM, UNTIL = 0.3, 0.7  # of its slot a fault is on


def fault_at(share: float) -> str | None:
    """The fault of the links at this share of the run, from 0 to 1."""
    slot, within = divmod(share * ROUNDS * len(FAULTS), 1)
    return FAULTS[int(slot) % len(FAULTS)] if FROM <= within < UNTIL else None


@dataclass(slots=True)
class Soak:
    """One run; `readings`, `answered` and `problems` fill up as it goes. `weights`: how often each lane is asked."""

    house: House
    lanes: Sequence[Lane]
    requests: int
    samples: int
    seed: int = 1
    show: Callable[[str], None] = lambda _line: None
    readings: list[Reading] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - traffic, not cryptography

    async def run(self) -> None:
        """All requests, in as many portions as there are samples; nobody asks while everything is looked at."""
        clock = asyncio.get_running_loop().time
        began = clock()
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await self._portion(session, max(1, self.requests // self.samples))  # warm up
            self.answered.clear()
            self.degraded = 0
            self.readings.append(await self._look(session, 0, clock() - began, None))
            for number in range(self.samples):
                fault = fault_at(number / self.samples)
                await self.house.link(fault)
                done = sum(self.answered.values())
                await self._portion(session, self.requests * (number + 1) // self.samples - done)
                await asyncio.sleep(SETTLE_SECONDS)
                done = sum(self.answered.values())
                self.readings.append(await self._look(session, done, clock() - began, fault))
                self.show(self._line(done, clock() - began, fault))
            await self.house.link(None)

    async def _portion(self, session: aiohttp.ClientSession, requests: int) -> None:
        left = iter(range(requests))
        await asyncio.gather(*(self._caller(session, left) for _ in range(CALLERS)))

    async def _caller(self, session: aiohttp.ClientSession, left: Iterator[int]) -> None:
        weights = [lane.per_second for lane in self.lanes]
        for _ in left:
            [lane] = self._dice.choices(self.lanes, weights=weights)
            ask = next(lane.asks)
            answer = await answer_to(lane.url + ask.path, ask, session)
            reading = ask.check(answer) if isinstance(answer, Answer) else None
            problem = str(answer) if reading is None else reading.problem
            self.answered[ask.kind] += 1
            self.degraded += bool(reading and reading.degraded)
            if problem in REFUSALS:
                self.refused[f"{ask.kind}: {problem}"] += 1
            elif problem is not None:
                self.problems[f"{ask.kind}: {problem}"] += 1

    async def _look(self, session: aiohttp.ClientSession, done: int, seconds: float, fault: str | None) -> Reading:
        values: dict[tuple[str, str], float] = {}
        for program in (*self.house.apis, *self.house.models):
            pid = self.house.fleet.pid(program.name)
            for gauge, value in of_process(pid).items():
                values[program.name, gauge] = value
            if (tasks := await tasks_of(program.url, session)) is not None:
                values[program.name, "tasks"] = tasks
        values[STATE, "log ahead"] = await asyncio.to_thread(log_ahead_mib, self.house.var_dir)
        whole = await asyncio.to_thread(whole_mib, self.house.var_dir)
        return Reading(done, seconds, fault, values, whole)

    def _line(self, done: int, seconds: float, fault: str | None) -> str:
        memory = ", ".join(
            f"{name} {value:.0f} MiB" for (name, gauge), value in self.readings[-1].values.items() if gauge == "memory"
        )
        return (
            f"{done:,} of {self.requests:,} requests, {done / seconds:.0f} a second, "
            f"{sum(self.problems.values())} wrong; {fault or 'no fault'}; {memory}"
        )


def by_gauge(readings: Sequence[Reading]) -> Mapping[tuple[str, str], list[tuple[float, float]]]:
    """(process, gauge) → its points."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for reading in readings:
        for key, value in reading.values.items():
            found.setdefault(key, []).append((float(reading.requests), value))
    return found
