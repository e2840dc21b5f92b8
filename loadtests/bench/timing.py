"""Measures clients in rounds: each round has every client once, in an order of its own."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from loadtests.conformance.contract import Predict, fault_in
from loadtests.mutations import Json

BODY_BYTES = 1024


class WrongAnswerError(Exception):
    """A client did not bring the server's answer: how fast it did not is of no interest."""


@dataclass(frozen=True, slots=True)
class Load:
    """`calls` calls by `callers` callers at once."""

    callers: int
    calls: int

    @property
    def name(self) -> str:
        return f"c={self.callers}"

    def shortened(self) -> Load:
        """A tenth of the calls."""
        return replace(self, calls=self.calls // 10)


LOADS = (Load(1, 100), Load(32, 320))


@dataclass(frozen=True, slots=True)
class Timing:
    """One client under one load in one round."""

    p50_ms: float
    cpu_us: float  # of the client's process, per call


Round = Mapping[tuple[str, str], Timing]  # by the names of the client and of the load


def question() -> Json:
    """What is asked, and echoed: JSON of exactly `BODY_BYTES` as httpx writes it."""
    items = [{"id": f"item-{number:02}", "value": number + 0.5} for number in range(25)]
    asked = {"items": items, "version": ""}
    missing = BODY_BYTES - len(json.dumps(asked, separators=(",", ":")))
    return {**asked, "version": "1" * missing}


async def play_rounds(
    clients: Mapping[str, Predict],
    *,
    rounds: int,
    seed: int,
    loads: Sequence[Load] = LOADS,
    told: Callable[[int], None] = lambda _: None,
) -> list[Round]:
    """All rounds; `told` is called before each with its number."""
    order, asked = random.Random(seed), question()  # noqa: S311  an order, not a secret
    played: list[Round] = []
    for number in range(rounds):
        told(number)
        names, timings = list(clients), {}
        order.shuffle(names)
        for name in names:
            for load in loads:
                timings[name, load.name] = await _timed(name, clients[name], asked, load)
        played.append(timings)
    return played


async def _timed(name: str, predict: Predict, asked: Json, load: Load) -> Timing:
    if wrong := fault_in((await predict(asked)).document, asked):
        raise WrongAnswerError(f"{name}: {wrong} from a healthy server")
    await _send(name, predict, asked, Load(load.callers, 2 * load.callers))  # connections are open, code is warm
    gc.collect()
    cpu_s = time.process_time()
    took_s = await _send(name, predict, asked, load)
    cpu_s = time.process_time() - cpu_s
    return Timing(statistics.median(took_s) * 1000, cpu_s * 1e6 / load.calls)


async def _send(name: str, predict: Predict, asked: Json, load: Load) -> list[float]:
    """How many seconds each call took, to the caller."""
    left, took_s = iter(range(load.calls)), []

    async def caller() -> None:
        for _ in left:
            started_s = time.perf_counter()
            answer = await predict(asked)
            took_s.append(time.perf_counter() - started_s)
            if answer.is_default or answer.failure:
                raise WrongAnswerError(f"{name}: {answer.failure or 'a default'} from a healthy server")

    await asyncio.gather(*(caller() for _ in range(load.callers)))
    return took_s
