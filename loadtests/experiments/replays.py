"""A mixed day in a few minutes: does every answer come out again, to the same bytes?

Real processes of both services with real models. Between requests sales, plans, events, overrides, hints, photos and
switches change, overrides end, other cores and rerankers become champion, photos are deleted, processes end and start
again, and the table is folded. Afterwards each answer is made again by the APIs, then by APIs that have started since,
without any model process, and some of them on the command line. The promise: all of them have the same bytes, but for
those that a photo was part of which was deleted since: they are not made again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from rich.console import Console

from common.command_line import positive_int, seed
from common.replay.again import differences
from loadtests.experiments.day_changes import CHALLENGER, KINDS, LASTING, PLACES, DayChanges
from loadtests.experiments.day_services import APIS, CALLERS, COMMANDS, DayServices, as_document
from loadtests.experiments.rolling import two_versions
from loadtests.experiments.verdict import counts, verdict
from loadtests.processes import Fleet, ProcessError
from loadtests.services import var_dir
from loadtests.traffic import read_subjects

CHANGE_EVERY = 4  # requests
ON_COMMAND_LINE = 4  # answers
TRIES, TRY_EVERY_S = 5, 1.0  # of a busy machine
MOST_SHOWN = 5  # differences of an answer
LOG_LINE_CHARS = 600  # the end of an exception
SAME, DELETED = "same bytes", "not made again: a photo was deleted"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--requests", type=positive_int, default=1_000, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the day (default: %(default)s)")
    command.epilog = (
        "Uses the models and the sales of VAR_DIR; the state is new. Exit code 1 if one came out otherwise."
    )


def run(arguments: argparse.Namespace) -> int:
    """Asks, replays and shows; 1 unless all bytes are the same."""
    source, console = var_dir(os.environ), Console(soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        try:
            cores = two_versions(source, copy)
            for component in ("encoder", "filter", "reranker"):
                shutil.copytree(source / "registry" / component, copy / "registry" / component)
            items = read_subjects(source / "demo.json").items
        except OSError as error:
            raise ProcessError(f"there are no models in {source}: {error}; `make train` makes them") from error
        day = Day(copy, cores, items, random.Random(arguments.seed))  # noqa: S311 - repeatable, not secret
        replayed = asyncio.run(day.lived(arguments.requests))
    console.print(f"{arguments.requests} requests, served by: {counts(day.served_by)}")
    console.print(f"changes: {counts(day.changed)}")
    for how, told in replayed.items():
        console.print(f"replayed {how}: {counts(told)}")
    for line in day.otherwise:
        console.print(line, markup=False, highlight=False)
    broken = {name: told.total() - told[SAME] - told[DELETED] for name, told in replayed.items()}
    return verdict([f"{number} came out otherwise {how}" for how, number in broken.items() if number], console)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the day; `number` is its place in it."""

    number: int
    api: str
    body: bytes

    @property
    def request_id(self) -> str:
        return f"day-{self.number}"


class Day:
    """One run. `changed` and `served_by` count what happened; `otherwise` tells of each answer that came out so."""

    def __init__(
        self, folder: Path, cores: tuple[str, str], items: Sequence[tuple[str, str]], dice: random.Random
    ) -> None:
        self._folder, self._cores, self._items, self._dice = folder, cores, items, dice
        self.changed, self.served_by = Counter[str](), Counter[str]()
        self.otherwise: list[str] = []

    async def lived(self, requests: int) -> Mapping[str, Counter[str]]:
        """What came of the replays, by who made them."""
        with Fleet(self._folder / "logs") as fleet:
            async with aiohttp.ClientSession() as session:
                self._services = DayServices(self._folder, fleet, session)
                await self._services.start(*COMMANDS)
                self._changes = DayChanges(self._services, self._cores, self._items, self._dice)
                await self._changes.first()
                answers = await self._asked(requests)
                self.changed = self._changes.made
                replayed = {"at once": await self._all_again(answers)}
                await self._services.stop(*COMMANDS)
                await self._services.start(*APIS, wholly=False)
                replayed["by other processes"] = await self._all_again(answers)
                await self._services.stop(*APIS)
                some = self._dice.sample(answers, min(ON_COMMAND_LINE, len(answers)))
                replayed["on the command line"] = Counter([await self._by_command(one) for one in some])
                self.otherwise += [line[-LOG_LINE_CHARS:] for line in self._services.bugs()]
                return replayed

    async def _asked(self, requests: int) -> list[Answered]:
        """The answers; what was refused is counted."""
        answers = []
        for number in range(requests):
            if number % CHANGE_EVERY == CHANGE_EVERY - 1:
                await self._changes.one(number)
            api = self._dice.choice(APIS)
            method, path, body = self._forecast() if api == "retail" else self._search()
            headers = {"X-Request-ID": f"day-{number}"}
            if self._dice.random() < 0.1:
                headers["X-Timeout-Ms"] = str(self._dice.choice((20, 60, 150)))
            key, url = f"{self._dice.choice(CALLERS)}-key", getattr(self._services, api)
            status, answered = await self._services.call(method, url + path, body, key=key, headers=headers)
            if status != 200:
                self.served_by[f"status {status}"] += 1
                continue
            answers.append(Answered(number, api, answered))
            self._note(as_document(answered))
        return answers

    def _note(self, document: dict[str, Any]) -> None:
        for one in document.get("forecasts") or document.get("searches") or [document]:
            self.served_by[one.get("served_by", "unknown")] += 1
        if "as_of" in document:
            self._changes.last_day = max(self._changes.last_day, date.fromisoformat(document["as_of"]))

    def _forecast(self) -> tuple[str, str, Any]:
        dice = self._dice
        some = [{"store": s, "sku": k} for s, k in dice.choices(self._items, k=dice.choice((1, 3, 20)))]
        if dice.random() < 0.1:
            some.append({"store": some[0]["store"], "sku": "nobody knows it"})
        told: dict[str, Any] = {"horizon_days": dice.choice((1, 7, 28)), "seed": dice.randrange(100)}
        told |= {"quantiles": dice.choice(([], [0.5, 0.9])), "explain": len(some) <= 3 and dice.random() < 0.4}
        told["version"] = dice.choice(("champion", "champion", CHALLENGER, self._cores[0]))
        if dice.random() < 0.2:
            told["as_of"] = (self._changes.last_day - timedelta(days=dice.randrange(40))).isoformat()
        how = dice.random()
        if how < 0.1:
            named = {**some[0], "horizon_days": told["horizon_days"], "explain": str(told["explain"]).lower()}
            return "GET", f"/v1/forecasts?{urlencode(named)}", None
        if how < 0.2:
            old = {"entity_id": some[0]["store"], "sku": some[0]["sku"], "limit": told["horizon_days"]}
            return "GET", f"/predictions?{urlencode(old)}", None
        return "POST", "/v1/forecasts", {"items": some, **told}

    def _search(self) -> tuple[str, str, Any]:
        if self._dice.random() < 0.2:
            query = {name: str(value).lower() for name, value in self._query().items()}
            return "GET", f"/v1/search?{urlencode(query)}", None
        return "POST", "/v1/searches", {"queries": [self._query() for _ in range(self._dice.choice((1, 1, 4)))]}

    def _query(self) -> dict[str, Any]:
        dice = self._dice
        words = dice.choice((*PLACES, "at dwan"))
        told: dict[str, Any] = {
            "query": f"{dice.choice(KINDS)} {words}",
            "per_page": dice.choice((5, 20)),
            "page": dice.choice((1, 1, 2)),
        }
        told |= {"order_by": dice.choice(("relevance", "relevance", "popular", "latest"))}
        if dice.random() < 0.85:
            told["licence"] = LASTING
        if dice.random() < 0.1:
            told["orientation"] = dice.choice(("landscape", "square"))
        if dice.random() < 0.1:
            told["min_score"] = dice.choice((0.2, 0.99))
        return told | {"explain": dice.random() < 0.2, "seed": dice.randrange(3)}

    async def _all_again(self, answers: Sequence[Answered]) -> Counter[str]:
        return Counter([await self._again(one) for one in answers])

    async def _again(self, one: Answered) -> str:
        url = f"{getattr(self._services, one.api)}/v1/admin/replays/{one.request_id}"
        for _ in range(TRIES):
            status, answered = await self._services.call("GET", url)
            document = as_document(answered)
            why_not = document.get("why_not") or document.get("detail") or ""
            if "just now" not in why_not:
                break
            await asyncio.sleep(TRY_EVERY_S)
        if document.get("same_bytes") is not None:
            return self._judged(one, document)
        if self._may_be_gone(one, status):
            return DELETED
        self.otherwise.append(f"{one.request_id}: {status} {why_not}")
        return f"not made: status {status}"

    async def _by_command(self, one: Answered) -> str:
        _, out, words = await self._services.command("-m", "common", "replay", one.request_id, "--json")
        if out:
            return self._judged(one, as_document(out))
        if self._may_be_gone(one, 410):
            return DELETED
        self.otherwise.append(f"{one.request_id} on the command line: {words}")
        return "nothing"

    def _may_be_gone(self, one: Answered, status: int) -> bool:
        """Whether a photo that it may have shown was deleted since."""
        since = any(number >= one.number for number in self._changes.deletions)
        return status == 410 and one.api == "photos" and since

    def _judged(self, one: Answered, document: dict[str, Any]) -> str:
        if document["same_bytes"]:
            return SAME
        found = differences(json.loads(one.body), document["answer"])
        told = "; ".join(f"{it['where']}: {it['then']} → {it['now']}" for it in found[:MOST_SHOWN])
        self.otherwise.append(f"{one.request_id}: {len(found)} differences: {told}")
        return f"other bytes of {one.api}"
