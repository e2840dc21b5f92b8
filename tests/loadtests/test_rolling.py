"""What counts as an answer of one version, and which promise `experiment rolling` holds the services to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loadtests.experiments.rolling import Rolled, broken, p99_told
from loadtests.experiments.rolling_load import Asker, Round

NUMBERS = {"1.0.0": 1.0, "1.1.0": 2.0}
ITEMS = [("north", "milk"), ("south", "tea")]


class Service:
    """Answers with the numbers of the version that is asked for, or of its champion; `lie` may change an answer."""

    def __init__(self) -> None:
        self.champion = "1.0.0"
        self.lie: dict[str, Any] = {}

    async def answer(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        version = asked.get("version", self.champion)
        forecasts = [{"demand": [NUMBERS[version]], "served_by": "core", "reason": None} for _ in asked["items"]]
        versions = {"core": version, "correction": f"of {version}"}
        return web.json_response({"forecasts": forecasts, "versions": versions} | self.lie)


async def asked(service: Service, **lie: Any) -> Round:
    app = web.Application()
    app.router.add_post("/v1/forecasts", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            asker = Asker(session, f"http://127.0.0.1:{port}", ITEMS, seed=1)
            for version in NUMBERS:
                await asker.learn(version, within_seconds=5)
            service.lie = lie
            load = asyncio.create_task(asker.load(0.3, per_second=100))
            await asyncio.sleep(0.1)
            service.champion = "1.1.0"
            return await load
    finally:
        await runner.cleanup()


async def test_answers_of_either_version_are_right() -> None:
    seen = await asked(Service())
    assert (seen.answers.keys(), seen.wrong) == (NUMBERS.keys(), Counter())


@pytest.mark.parametrize(
    ("lie", "word"),
    [
        ({"versions": {"core": "1.0.0", "correction": "of 1.1.0"}}, "mixed"),
        ({"versions": {"core": "9.9.9"}}, "mixed"),
        ({"versions": {}}, "degraded"),
        ({"forecasts": [{"demand": [1.5], "served_by": "core", "reason": None}]}, "mixed"),
        ({"forecasts": [{"demand": [1.5], "served_by": "constant", "reason": "timeout"}]}, "degraded"),
    ],
)
async def test_what_is_not_wholly_of_one_version_is_counted(lie: dict[str, Any], word: str) -> None:
    seen = await asked(Service(), **lie)
    assert seen.answers.total() == 0
    assert {what.split(":")[0] for what in seen.wrong} == {word}


def rounds(took_ms: float, *, wrong: str | None = None, versions: int = 2) -> list[Round]:
    answers = Counter({f"1.{minor}.0": 50 for minor in range(versions)})
    return [Round(answers, Counter({wrong: 1} if wrong else {}), [took_ms] * 100) for _ in range(3)]


def test_the_promise_is_held_when_nobody_notices() -> None:
    assert broken(Rolled(30, rounds(10), rounds(12))) == []


def test_the_plain_ratio_is_told_although_the_promise_allows_more() -> None:
    rolled = Rolled(30, rounds(10), [*rounds(16)[:2], *rounds(40)[:1]])

    assert broken(rolled) == []
    assert p99_told(rolled).startswith("p99 while rolling ÷ without: median 1.60, worst round 4.00; over 1.2 in 3 of 3")


@pytest.mark.parametrize(
    ("rolling", "word"),
    [
        (rounds(40), "p99"),
        (rounds(10, wrong="mixed: numbers"), "mixed"),
        (rounds(10, wrong="failed: ValueError"), "failed"),
        (rounds(10, wrong="degraded: timeout"), "fell back"),
        (rounds(10, versions=1), "nothing rolled"),
    ],
)
def test_whatever_a_caller_would_notice_breaks_it(rolling: list[Round], word: str) -> None:
    assert [word in sentence for sentence in broken(Rolled(30, rounds(10), rolling))] == [True]
