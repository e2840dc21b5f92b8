"""Forecasts asked again and again while the champion rolls, each held against what its version says alone."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import aiohttp

PATIENCE_SECONDS = 5.0
BULK_ITEMS = 20
QUESTIONS = 16
HORIZON_DAYS = 7
DEGRADED = "degraded"


@dataclass(slots=True)
class Round:
    """What was answered in one stretch of time."""

    answers: Counter[str] = field(default_factory=Counter)  # by version of the core, as far as they were right
    wrong: Counter[str] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return self.answers.total() + self.wrong.total()

    @property
    def p99_ms(self) -> float:
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


class Asker:
    """Asks the same questions for ever; knows what each version answers to each of them."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, items: Sequence[tuple[str, str]], *, seed: int
    ) -> None:
        dice = random.Random(seed)  # noqa: S311 - traffic, not cryptography
        self._session, self._url = session, url
        self._questions: list[dict[str, Any]] = [
            {
                "items": [
                    {"store": store, "sku": sku} for store, sku in dice.choices(items, k=BULK_ITEMS if place % 4 else 1)
                ],
                "horizon_days": HORIZON_DAYS,
            }
            for place in range(QUESTIONS)
        ]
        self._expected: dict[str, list[Any]] = {}  # version of the core -> what it answers to each question
        self._pairs: dict[str, dict[str, str]] = {}  # version of the core -> all versions of its answers

    async def learn(self, version: str, *, within_seconds: float) -> None:
        """What a version answers alone, asked for by number until it is in memory and serves undegraded."""
        until = time.monotonic() + within_seconds
        answers = [await self._ask(question | {"version": version}) for question in self._questions]
        while any(answer["versions"].get("core") != version or _fell_back(answer) for answer in answers):
            if time.monotonic() > until:
                raise TimeoutError(f"core {version} does not serve every item within {within_seconds:.0f} s")
            await asyncio.sleep(0.2)
            answers = [await self._ask(question | {"version": version}) for question in self._questions]
        self._expected[version] = [answer["forecasts"] for answer in answers]
        self._pairs[version] = answers[0]["versions"]

    async def champion_is(self, version: str, *, within_seconds: float) -> None:
        """Waits until those who name no version are answered by this one."""
        until = time.monotonic() + within_seconds
        while (await self._ask(self._questions[0]))["versions"].get("core") != version:
            if time.monotonic() > until:
                raise TimeoutError(f"core {version} is not followed within {within_seconds:.0f} s")
            await asyncio.sleep(0.2)

    async def load(self, seconds: float, *, per_second: float) -> Round:
        """Requests that leave on schedule, for so long; every one is awaited."""
        round_, loop = Round(), asyncio.get_running_loop()
        due, end, tasks = loop.time(), loop.time() + seconds, []
        for place in cycle(range(len(self._questions))):
            if due >= end:
                break
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(self._one(place, round_)))
            due += 1 / per_second
        await asyncio.gather(*tasks)
        return round_

    async def _one(self, place: int, round_: Round) -> None:
        started = time.perf_counter()
        try:
            answer = await self._ask(self._questions[place])
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            round_.wrong[f"failed: {type(error).__name__}"] += 1
            return
        round_.took_ms.append(1e3 * (time.perf_counter() - started))
        wrong = self._wrong(place, answer)
        if wrong is None:
            round_.answers[answer["versions"]["core"]] += 1
        else:
            round_.wrong[wrong] += 1

    def _wrong(self, place: int, answer: dict[str, Any]) -> str | None:
        """Why an answer is not wholly that of one version."""
        version = answer["versions"].get("core")
        if version not in self._expected:
            return f"{DEGRADED}: no core" if version is None else f"mixed: core {version} was never champion"
        if answer["versions"] != self._pairs[version]:
            return f"mixed: {answer['versions']} do not belong together"
        if answer["forecasts"] == self._expected[version][place]:
            return None
        if _fell_back(answer):
            return f"{DEGRADED}: {', '.join(sorted({str(one['reason']) for one in answer['forecasts']} - {'None'}))}"
        return f"mixed: numbers that core {version} does not say alone"

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with self._session.post(f"{self._url}/v1/forecasts", json=question, timeout=timeout) as response:
            body = await response.read()
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            told: dict[str, Any] = json.loads(body)
            return told


def _fell_back(answer: dict[str, Any]) -> bool:
    """Whether an item was answered by none of the models."""
    return any(one["served_by"] in {"moving_average", "constant"} for one in answer["forecasts"])
