"""A mixed day in a few minutes: does every answer come out again, to the same bytes?

Real processes of both services with real models. Between requests sales, plans, events, overrides, hints, photos and
switches change, another core becomes champion, and the table is folded. Afterwards each request is replayed. The
promise: all of them have the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from common.replay.again import differences
from common.versions.registry import CHAMPION, Registry
from loadtests.experiments.rolling import two_versions
from loadtests.experiments.verdict import counts, verdict
from loadtests.processes import Fleet, ProcessError, Program, free_ports
from loadtests.services import var_dir
from loadtests.traffic import read_subjects

TOKEN = "replays-operator"  # noqa: S105  of processes that live for minutes, on loopback
CHANGE_EVERY = 5  # requests
PHOTOS = 60
SOLD_AT_ONCE = 30
MOST_SHOWN = 5  # differences of an answer
LOG_LINE_CHARS = 600  # the end of an exception
PATIENCE_S = 60.0
START_SECONDS = 300.0
KINDS = ("dog", "harbour", "bicycle", "market", "mountain", "kitchen")
PLACES = ("at dawn", "in the rain", "under a bridge", "beside a river", "in winter")
CALLERS = ("web", "mobile", "batch")
WHATS = ("sale", "plan", "event", "override", "withdraw", "pin", "hint", "photo", "switch", "release", "fold")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--requests", type=int, default=1_000, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=int, default=7, metavar="N", help="of the day (default: %(default)s)")
    command.epilog = (
        "Uses the models and the sales of VAR_DIR; the state is new. Exit code 1 if one came out otherwise."
    )


def run(arguments: argparse.Namespace) -> int:
    """Asks, replays and shows; 1 unless all bytes are the same."""
    source, console = var_dir(os.environ), Console()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        try:
            versions = two_versions(source, copy)
            for component in ("encoder", "filter", "reranker"):
                shutil.copytree(source / "registry" / component, copy / "registry" / component)
            items = read_subjects(source / "demo.json").items
        except OSError as error:
            raise ProcessError(f"there are no models in {source}: {error}; `make train` makes them") from error
        day = Day(copy, versions, items, random.Random(arguments.seed))  # noqa: S311 - repeatable, not secret
        replayed = asyncio.run(day.lived(arguments.requests))
    console.print(f"{arguments.requests} requests, changes: {counts(day.changes)}, served by: {counts(day.served_by)}")
    console.print(f"replayed: {counts(replayed)}")
    for line in day.otherwise:
        console.print(line, markup=False, highlight=False)
    otherwise = {name: number for name, number in replayed.items() if name != "same bytes"}
    return verdict([f"{number} came out otherwise: {name}" for name, number in otherwise.items()], console)


class Day:
    """One run. `changes` and `served_by` count what happened; `otherwise` tells of each answer that came out so."""

    def __init__(
        self, folder: Path, versions: tuple[str, str], items: Sequence[tuple[str, str]], dice: random.Random
    ) -> None:
        self._folder, self._versions, self._items, self._dice = folder, versions, items, dice
        self.changes, self.served_by = Counter[str](), Counter[str]()
        self.otherwise: list[str] = []
        self._last_day = date(2016, 1, 1)  # that sales are known of, as the last answer told
        self._overrides: list[str] = []  # the URL of each
        self._answers: dict[str, bytes] = {}
        ports = dict(zip(("model", "retail", "reranker", "photos"), free_ports(4), strict=True))
        environment = {"VAR_DIR": str(folder), "HOST": "127.0.0.1", "DATABASE_URL": "", "ADMIN_TOKEN": TOKEN} | {
            "API_KEYS": ",".join(f"{name}:{name}-key" for name in CALLERS),
            "LOW_TIMEOUT_MS": "3000",
            "SUPERMEGARETAIL_PORT": str(ports["retail"]),
            "SUPERMEGARETAIL_MODEL_PORT": str(ports["model"]),
            "SUPERMEGARETAIL_MODEL_URL": f"http://127.0.0.1:{ports['model']}",
            "PHOTOSTOCK_PORT": str(ports["photos"]),
            "PHOTOSTOCK_RERANKER_PORT": str(ports["reranker"]),
            "PHOTOSTOCK_RERANKER_URL": f"http://127.0.0.1:{ports['reranker']}",
        }
        commands = {
            "model": ("supermegaretail", "model"),
            "retail": ("supermegaretail", "api"),
            "reranker": ("photostock", "reranker"),
            "photos": ("photostock", "api"),
        }
        self._programs = {
            name: Program(name, ("-m", *commands[name]), port, environment=environment) for name, port in ports.items()
        }
        self._retail, self._photos = self._programs["retail"].url, self._programs["photos"].url

    async def lived(self, requests: int) -> Counter[str]:
        """What came of the replays."""
        with Fleet(self._folder / "logs") as fleet:
            for program in self._programs.values():
                fleet.start(program)
            for program in self._programs.values():
                await fleet.ready(program, within_seconds=START_SECONDS)
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
                self._session = session
                await self._changed("POST", f"{self._photos}/v1/photos", {"photos": self._new_photos(PHOTOS)})
                asked: list[tuple[str, str]] = []
                for number in range(requests):
                    asked.append(await self._ask(f"day-{number}"))
                    if number % CHANGE_EVERY == CHANGE_EVERY - 1:
                        await self._change(number)
                replayed = Counter([await self._replayed(*one) for one in asked])
                logs = [fleet.log_of(name).read_text().splitlines() for name in ("retail", "photos")]
                self.otherwise += [line[-LOG_LINE_CHARS:] for lines in logs for line in lines if '"http.bug"' in line]
                return replayed

    async def _ask(self, request_id: str) -> tuple[str, str]:
        dice, headers = (
            self._dice,
            {"X-Request-ID": request_id, "Authorization": f"Bearer {self._dice.choice(CALLERS)}-key"},
        )
        if dice.random() < 0.1:
            headers["X-Timeout-Ms"] = str(dice.choice((20, 60, 150)))
        if dice.random() < 0.5:
            items = [{"store": s, "sku": k} for s, k in dice.sample(list(self._items), dice.choice((1, 3, 20)))]
            body: dict[str, Any] = {
                "items": items,
                "horizon_days": dice.choice((1, 7, 28)),
                "seed": dice.randrange(100),
            }
            body |= {"quantiles": dice.choice(([], [0.5, 0.9])), "explain": len(items) == 1 and dice.random() < 0.5}
            status, answered = await self._call("POST", f"{self._retail}/v1/forecasts", body, headers)
            document = _document(answered)
            if "as_of" in document:
                self._last_day = date.fromisoformat(document["as_of"])
            url = self._retail
        else:
            queries = [self._query() for _ in range(dice.choice((1, 1, 4)))]
            body = {"queries": queries}
            status, answered = await self._call("POST", f"{self._photos}/v1/searches", body, headers)
            url = self._photos
        self._answers[request_id] = answered
        if status != 200:
            self.served_by[f"status {status}"] += 1
        return url, request_id

    def _query(self) -> dict[str, Any]:
        dice = self._dice
        told = {"query": f"{dice.choice(KINDS)} {dice.choice(PLACES)}", "per_page": dice.choice((5, 20))}
        return told | {"order_by": dice.choice(("relevance", "relevance", "popular")), "explain": dice.random() < 0.2}

    async def _change(self, number: int) -> None:
        dice, (store, sku) = self._dice, self._dice.choice(list(self._items))
        ends = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        people = {"owner": "Ann", "reason": "a mixed day", "ends_at": ends}
        what = dice.choice(WHATS)
        self.changes[what] += 1
        if what == "sale":
            day = (self._last_day + timedelta(days=dice.choice((-1, 0, 1)))).isoformat()
            sold = [
                {"store": store, "sku": sku, "date": day, "sales": dice.randrange(50)}
                for store, sku in dice.sample(list(self._items), SOLD_AT_ONCE)
            ]
            await self._changed("POST", f"{self._retail}/v1/sales", {"sales": sold})
        elif what == "plan":
            day = (self._last_day + timedelta(days=dice.randrange(1, 40))).isoformat()
            plan = {"store": store, "sku": sku, "date": day, "price": round(dice.uniform(1, 9), 2)}
            await self._changed("POST", f"{self._retail}/v1/plans", {"plans": [plan]})
        elif what in ("override", "pin"):
            url = self._retail if what == "override" else self._photos
            wish: dict[str, Any] = {"store": store, "effect": "factor", "value": dice.choice((0.5, 1.5, 2))}
            if what == "pin":
                wish = {"effect": "promote", "photo_id": f"day-{dice.randrange(PHOTOS)}", "boost": 5}
            made = await self._changed("POST", f"{url}/v1/admin/overrides", wish | people)
            if "id" in made:
                self._overrides.append(f"{url}/v1/admin/overrides/{made['id']}")
        elif what == "event":
            first = self._last_day + timedelta(days=dice.randrange(1, 10))
            days = {"first_day": first.isoformat(), "last_day": (first + timedelta(days=2)).isoformat()}
            event = {"store": store, "name": f"fair {number}", "factor": dice.choice((0.5, 2)), **days}
            told = {name: people[name] for name in ("owner", "reason", "ends_at")}
            made = await self._changed("POST", f"{self._retail}/v1/admin/events", event | told)
            if "id" in made:
                self._overrides.append(f"{self._retail}/v1/admin/events/{made['id']}")
        elif what == "withdraw" and self._overrides:
            await self._changed("DELETE", self._overrides.pop(), None)
        elif what == "hint":
            hint = {
                "when": dice.choice(KINDS),
                "then": f"{dice.choice(KINDS)} {number}",
                "owner": "Ann",
                "reason": "a day",
            }
            await self._changed("POST", f"{self._photos}/v1/admin/hints", hint)
        elif what == "photo":
            changed = self._new_photos(1, first=dice.randrange(PHOTOS))
            await self._changed("POST", f"{self._photos}/v1/photos", {"photos": changed})
        elif what == "switch":
            url, tier = dice.choice(((self._retail, "correction"), (self._photos, "reranker"), (self._retail, "core")))
            state = {"state": dice.choice(("off", "on"))} | people
            await self._changed("PUT", f"{url}/v1/admin/switches/{tier}", state)
        elif what == "release":
            registry, version = Registry(self._folder / "registry"), dice.choice(self._versions)
            await asyncio.to_thread(registry.point, "core", CHAMPION, version)
        elif what == "fold":
            environment = {**os.environ, **self._programs["retail"].environment}
            folded = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "supermegaretail", "data", "fold"),
                env=environment,
                stdout=asyncio.subprocess.DEVNULL,
            )
            if await folded.wait():
                self.changes["refused: fold"] += 1

    def _new_photos(self, number: int, *, first: int = 0) -> list[dict[str, Any]]:
        dice = self._dice
        return [
            {
                "id": f"day-{place}",
                "title": f"{dice.choice(KINDS)} {dice.choice(PLACES)}",
                "photographer": dice.choice(("Ann", "Bob")),
                "popularity": dice.randrange(100),
            }
            for place in range(first, first + number)
        ]

    async def _replayed(self, url: str, request_id: str) -> str:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        status, answered = await self._call("GET", f"{url}/v1/admin/replays/{request_id}", None, headers)
        document = _document(answered)
        if status != 200:
            self.otherwise.append(f"{request_id}: {status} {document.get('detail')}")
            return f"status {status}"
        for one in document["answer"].get("forecasts") or document["answer"].get("searches") or []:
            self.served_by[one["served_by"]] += 1
        if document["same_bytes"]:
            return "same bytes"
        found = differences(_document(self._answers[request_id]), document["answer"])
        told = "; ".join(f"{one['where']}: {one['then']} → {one['now']}" for one in found[:MOST_SHOWN])
        self.otherwise.append(f"{request_id}: {len(found)} differences: {told}")
        return f"other bytes of {document['service']}"

    async def _changed(self, method: str, url: str, body: Any) -> dict[str, Any]:
        # The first key for callers' endpoints, the operator's token for the others.
        key = TOKEN if "/v1/admin/" in url else f"{CALLERS[0]}-key"
        status, answered = await self._call(method, url, body, {"Authorization": f"Bearer {key}"})
        if status >= 300:
            self.changes[f"refused: {status}"] += 1
        return _document(answered)

    async def _call(self, method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, bytes]:
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.read()


def _document(answered: bytes) -> dict[str, Any]:
    try:
        document = json.loads(answered)
    except ValueError:  # a page, or nothing
        return {}
    return document if isinstance(document, dict) else {}
